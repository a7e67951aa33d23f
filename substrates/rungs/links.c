/* The launcher's network steps, straight over rtnetlink: one message each, no `ip` process of 2 ms.
 *
 * Out of scope: routes (only this machine and its bridge are reached), IPv6.
 */
#include "launcher.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct nlmsghdr header;
    char body[1024];
} message;

static void *begin(int type, int flags, size_t size) {
    memset(&message, 0, sizeof message);
    message.header.nlmsg_len = NLMSG_LENGTH(size);
    message.header.nlmsg_type = (unsigned short)type;
    message.header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
    return NLMSG_DATA(&message.header);
}

static struct rtattr *add(int type, const void *data, size_t size) {
    struct rtattr *at = (struct rtattr *)((char *)&message + NLMSG_ALIGN(message.header.nlmsg_len));
    at->rta_type = (unsigned short)type;
    at->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(at), data, size);
    message.header.nlmsg_len = NLMSG_ALIGN(message.header.nlmsg_len) + RTA_ALIGN(at->rta_len);
    return at;
}

static void end(struct rtattr *nest) { nest->rta_len = (unsigned short)((char *)&message + message.header.nlmsg_len - (char *)nest); }

static void ask(void) {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    int link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    must(link);
    must(send(link, &message, message.header.nlmsg_len, 0));
    must(recv(link, &answer, sizeof answer, 0));
    close(link);
    if (answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error) {
        errno = -answer.error.error;
        fail();
    }
}

static int index_of(const char *name) {
    unsigned found = if_nametoindex(name);
    must(found ? 0 : -1);
    return (int)found;
}

/* A pair: one end up and in the bridge, the other in the child's network namespace. */
void add_veth(const char *host, const char *inside, const char *bridge, const char *mac, pid_t pid) {
    struct ifinfomsg *link = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link), peer = {0};
    int master = index_of(bridge);
    unsigned char hardware[6];
    for (int i = 0; i < 6; i++) hardware[i] = (unsigned char)strtoul(mac + 3 * i, 0, 16);
    link->ifi_flags = link->ifi_change = IFF_UP;
    add(IFLA_IFNAME, host, strlen(host) + 1);
    add(IFLA_MASTER, &master, sizeof master);
    struct rtattr *info = add(IFLA_LINKINFO, 0, 0);
    add(IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = add(IFLA_INFO_DATA, 0, 0);
    struct rtattr *other = add(VETH_INFO_PEER, &peer, sizeof peer);
    add(IFLA_IFNAME, inside, strlen(inside) + 1);
    add(IFLA_NET_NS_PID, &pid, sizeof pid);
    add(IFLA_ADDRESS, hardware, sizeof hardware);
    end(other);
    end(data);
    end(info);
    ask();
}

void set_up(const char *name) {
    struct ifinfomsg *link = begin(RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index_of(name);
    link->ifi_flags = link->ifi_change = IFF_UP;
    ask();
}

void add_address(const char *name, const char *address, int prefix) {
    struct ifaddrmsg *one = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *one);
    struct in_addr value;
    if (inet_pton(AF_INET, address, &value) != 1) {
        errno = EINVAL;
        fail();
    }
    one->ifa_family = AF_INET;
    one->ifa_prefixlen = (unsigned char)prefix;
    one->ifa_index = (unsigned)index_of(name);
    add(IFA_LOCAL, &value, sizeof value);
    add(IFA_ADDRESS, &value, sizeof value);
    ask();
}
