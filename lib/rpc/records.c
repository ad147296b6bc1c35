#include "config.h"

#include "rpc/records.h"

#include <string.h>
#include <sys/socket.h>

void records_pass(struct records *r, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t n = r->left > 0 ? r->left : RECORDS_HEADER - r->got;

		if (n > len)
			n = len;
		if (r->left > 0) {
			r->left -= n;
		} else {
			memcpy(r->header + r->got, data, n);
			r->got += n;
			if (r->got == RECORDS_HEADER)
				r->left = (size_t)r->header[3] << 8 |
					  r->header[4];
		}
		if (r->got == RECORDS_HEADER && r->left == 0)
			r->got = 0;
		data += n;
		len -= n;
	}
}

void records_tell(struct records *r, int fd)
{
	size_t lacking = r->left < RECORDS_MOST ? r->left : RECORDS_MOST;
	int low = 1;

	if (lacking < RECORDS_WORTH)
		lacking = 0;
	if (lacking == r->told)
		return;
	if (lacking > 0)
		low = (int)lacking;
	/* Without it we are only woken more often. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0)
		r->told = lacking;
}
