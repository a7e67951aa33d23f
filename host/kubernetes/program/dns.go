// CoreDNS with the plugins that a cluster without an outside needs, and its Corefile as the only argument.
//
// Its coremain package is not linked: it defines global flags, and kubectl's own `-p` would clash with them. Left out:
// forwarding to other name servers, for no name of the outside can be reached from a pod.
package main

import (
	"fmt"
	"os"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func coredns() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: coredns COREFILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	dnsserver.Directives = []string{"bind", "ready", "errors", "cache", "kubernetes"}
	caddy.Quiet = true
	caddy.TrapSignals()
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: text, Filepath: os.Args[1], ServerTypeName: "dns"})
	if err != nil {
		return err
	}
	instance.Wait()
	return nil
}
