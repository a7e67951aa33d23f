/* The first process of a test's guest: loads the modules of its initramfs, says so, and ends on the power button.
 * The lab's own program listens for that one (`button power`), and tells process 1 by a signal, as it tells systemd. */
#include <fcntl.h>
#include <signal.h>
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
  if (syscall(SYS_finit_module, file, "", 0)) perror(path);
  close(file);
}

int main(void) {
  sigset_t pressed;
  sigemptyset(&pressed), sigaddset(&pressed, SIGRTMIN + 4);
  sigprocmask(SIG_BLOCK, &pressed, NULL);
  mkdir("/dev", 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  int console = open("/dev/ttyS0", O_RDWR);
  dup2(console, 0), dup2(console, 1), dup2(console, 2);
  for (int number = 0; number < 40; number++) load(number);
  if (fork() == 0) {
    execl("/button", "/button", "power", (char *)NULL);
    _exit(127);
  }
  char disk[32] = "no disk";
  int vdc = open("/dev/vdc", O_RDONLY);
  if (vdc >= 0 && read(vdc, disk, sizeof disk - 1) < 0) strcpy(disk, "unreadable");
  disk[sizeof disk - 1] = 0;
  printf("vmlab-guest init\ntest-guest: vdc begins with %s\n", disk), fflush(stdout);
  sigwaitinfo(&pressed, NULL);
  printf("test-guest: power button\n"), fflush(stdout);
  reboot(RB_POWER_OFF);
  return 0;
}
