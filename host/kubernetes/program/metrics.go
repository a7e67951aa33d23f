// metrics-server's own packages behind a smaller command line.
//
// Its app package cannot be linked: the OpenAPI definitions in it are generated for the next Kubernetes. Those of
// kube-apiserver, which are in this binary anyway, describe the same kinds. Left out: flags that a lab does not set.
package main

import (
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	definitions "k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	metrics "sigs.k8s.io/metrics-server/pkg/server"
)

type metricsOptions struct {
	kubeconfig     string
	resolution     time.Duration
	timeout        time.Duration
	serving        *options.SecureServingOptionsWithLoopback
	authentication *options.DelegatingAuthenticationOptions
	authorization  *options.DelegatingAuthorizationOptions
}

func newMetricsServer() *cobra.Command {
	o := &metricsOptions{
		serving:        options.NewSecureServingOptions().WithLoopback(),
		authentication: options.NewDelegatingAuthenticationOptions(),
		authorization:  options.NewDelegatingAuthorizationOptions(),
	}
	command := &cobra.Command{
		Use:          "metrics-server",
		Short:        "Use of CPU and memory of nodes and pods, as metrics.k8s.io",
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return o.run() },
	}
	flags := command.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the API server, and the CA of the kubelets")
	flags.DurationVar(&o.resolution, "metric-resolution", 10*time.Second, "time between two readings")
	flags.DurationVar(&o.timeout, "kubelet-request-timeout", 5*time.Second, "less than a resolution")
	o.serving.AddFlags(flags)
	o.authentication.AddFlags(flags)
	o.authorization.AddFlags(flags)
	return command
}

func (o *metricsOptions) run() error {
	generic, err := o.generic()
	if err != nil {
		return err
	}
	clients, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	if err := rest.SetKubernetesDefaults(clients); err != nil {
		return err
	}
	clients.ContentType = "application/vnd.kubernetes.protobuf"
	config := metrics.Config{
		Apiserver: generic,
		Rest:      clients,
		Kubelet: &client.KubeletClientConfig{
			Client:              *rest.CopyConfig(clients),
			AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
			Scheme:              "https",
			DefaultPort:         10250,
		},
		MetricResolution: o.resolution,
		ScrapeTimeout:    o.timeout,
	}
	program, err := config.Complete()
	if err != nil {
		return err
	}
	return program.RunUntil(server.SetupSignalHandler())
}

func (o *metricsOptions) generic() (*server.Config, error) {
	config := server.NewConfig(api.Codecs)
	if err := o.serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	if err := o.authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return nil, err
	}
	if err := o.authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, err
	}
	namer := openapi.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = server.DefaultOpenAPIConfig(definitions.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = server.DefaultOpenAPIV3Config(definitions.GetOpenAPIDefinitions, namer)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	return config, nil
}
