/* The ACPI power button: the kernel reports it on the generic netlink family "acpi_event". */
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <sys/socket.h>

struct netlink_message {
    struct nlmsghdr head;
    struct genlmsghdr generic;
    char attributes[4096];
};

static struct nlattr *attribute(void *from, size_t length, int type) {
    for (size_t at = 0; at + sizeof(struct nlattr) <= length;) {
        struct nlattr *found = (struct nlattr *)((char *)from + at);
        if (found->nla_len < sizeof *found)
            break;
        if ((found->nla_type & NLA_TYPE_MASK) == type)
            return found;
        at += NLA_ALIGN(found->nla_len);
    }
    return NULL;
}

static unsigned group_of(struct netlink_message *answer) {
    size_t length = answer->head.nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
    struct nlattr *groups = attribute(answer->attributes, length, CTRL_ATTR_MCAST_GROUPS);
    if (!groups)
        return 0;
    struct nlattr *first = (struct nlattr *)((char *)groups + NLA_HDRLEN);
    struct nlattr *id = attribute((char *)first + NLA_HDRLEN, first->nla_len - NLA_HDRLEN, CTRL_ATTR_MCAST_GRP_ID);
    return id ? *(unsigned *)((char *)id + NLA_HDRLEN) : 0;
}

static int power_button(void) {
    static const char family[] = "acpi_event";
    struct netlink_message message = {.head = {.nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST},
                                      .generic = {.cmd = CTRL_CMD_GETFAMILY, .version = 1}};
    struct nlattr *name = (struct nlattr *)message.attributes;
    name->nla_type = CTRL_ATTR_FAMILY_NAME;
    name->nla_len = NLA_HDRLEN + sizeof family;
    memcpy((char *)name + NLA_HDRLEN, family, sizeof family);
    message.head.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(name->nla_len);
    int link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    must(link, "open", "netlink");
    must((int)send(link, &message, message.head.nlmsg_len, 0), "ask", "netlink");
    must((int)recv(link, &message, sizeof message, 0), "hear", "netlink");
    unsigned group = group_of(&message);
    must(group ? setsockopt(link, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) : -1, "join", family);
    return link;
}

/* Whether the next event of the link is the power button. */
static int pressed(int link) {
    struct netlink_message event;
    ssize_t length = recv(link, &event, sizeof event, MSG_DONTWAIT);
    return length > 0 && memmem(&event, (size_t)length, "button/power", 12) != NULL;
}
