/* What the parts of the launcher share: how a failure is reported, the steps about mounts (mounts.c) and the network (links.c). */
#include <sys/types.h>

void fail(void);
void must(long result);
void add_veth(const char *host, const char *inside, const char *bridge, const char *mac, pid_t pid);
void set_up(const char *name);
void add_address(const char *name, const char *address, int prefix);
void make_file(const char *path);
void set_attributes(const char *path, unsigned long long flags); /* MOUNT_ATTR_..., whose first four are MS_... */
void freeze(const char *path, int hide);
void change_root(void);
