/*
 * boots: how many machines in a row have not come up, and what they said.
 *
 * What a machine prints while it boots is shown to nobody who has not asked
 * for it: on a host in the cloud it is much, and one machine that does not come
 * up may have had bad luck.  When BOOTS_MOST in a row have not, it is the
 * program, or the image: then what they printed is shown after all, and from
 * then on of each that fails, until one comes up.
 *
 * Loop thread only.
 */
#ifndef KEEPER_BOOTS_H
#define KEEPER_BOOTS_H

#include "keeper/output.h"

#define BOOTS_MOST 5

struct boots {
	int failed; /* in a row; no more than BOOTS_MOST */
	/* Of those that nothing has been shown of. */
	struct output_splitter *kept[BOOTS_MOST];
};

/* One has come up. */
void boots_succeeded(struct boots *boots, struct output_splitter *s);

/* One has not, and prints no more.  Appends to *lines what is to be shown now;
 * *s must live as long as the boots. */
void boots_failed(struct boots *boots, struct output_splitter *s,
		  struct buffer *lines);

#endif
