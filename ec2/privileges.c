#include "config.h"

#include "ec2/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define BIT(capability) (UINT32_C(1) << (capability))

/* All are among the first 32. */
static const uint32_t kept = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |
			     BIT(CAP_FOWNER) | BIT(CAP_KILL);

void privileges_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int bits = prctl(PR_GET_SECUREBITS);

	if (geteuid() != 0 || bits < 0 || (bits & SECBIT_NOROOT))
		return;
	if (syscall(SYS_capget, &header, data) == 0) {
		for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
			data[i].permitted &= i == 0 ? kept : 0;
			data[i].effective = data[i].permitted;
		}
		if (syscall(SYS_capset, &header, data) == 0)
			return;
	}
	log_warn("cannot give up root's capabilities: %s", strerror(errno));
}
