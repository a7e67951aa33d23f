/* The smallest guest that proves an accelerator: as PID 1 it prints one line on the console and turns the machine off.

   That line shows that the guest's CPU went from its first instruction through the kernel into user space. Out of scope:
   everything else; there is no disk, no network and no /proc. LINE is given by the compiler's -D (prove.py). */
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	if (write(STDOUT_FILENO, LINE "\n", sizeof(LINE)) < 0)
		return 1; /* PID 1 ends: the kernel panics, and its last lines say so */
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
