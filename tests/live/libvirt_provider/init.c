/* The first and only process of a test's guest: loads the modules of its initramfs, says so, and ends on the power button (or any key). */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load(int number) {
  char path[32];
  snprintf(path, sizeof path, "/modules/%02d.ko", number);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  syscall(SYS_finit_module, file, "", 0);
  close(file);
}

int main(void) {
  mkdir("/dev", 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  int console = open("/dev/ttyS0", O_RDWR);
  dup2(console, 0), dup2(console, 1), dup2(console, 2);
  for (int number = 0; number < 40; number++) load(number);
  char disk[32] = "no disk";
  int vdc = open("/dev/vdc", O_RDONLY);
  if (vdc >= 0 && read(vdc, disk, sizeof disk - 1) < 0) strcpy(disk, "unreadable");
  disk[sizeof disk - 1] = 0;
  printf("vmlab-guest init\ntest-guest: vdc begins with %s\n", disk), fflush(stdout);
  struct pollfd buttons[8];
  for (int number = 0; number < 8; number++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%d", number);
    buttons[number] = (struct pollfd){open(path, O_RDONLY), POLLIN, 0};
  }
  poll(buttons, 8, -1);
  printf("test-guest: power button\n"), fflush(stdout);
  reboot(RB_POWER_OFF);
  return 0;
}
