/*
 * picture: a few lines at the end of a terminal (stderr) that are drawn anew
 * in their place.
 *
 * The cursor stands below them, at the beginning of a line.  Whatever else is
 * written there has to be preceded by picture_erase(), or nobody knows any
 * more where the picture is (picture_forget).  Not thread-safe; writes block.
 */
#ifndef CMD_PICTURE_H
#define CMD_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct picture {
	struct buffer drawn; /* what stands above the cursor */
};

void picture_init(struct picture *picture);
void picture_release(struct picture *picture);

/* The terminal's size now; 80 × 24 when it does not say. */
void picture_size(size_t *columns, size_t *rows);

/* Text of whole lines, fewer than the terminal has and none wider, which may
 * have colours.  Replaces what was drawn before. */
void picture_draw(struct picture *picture, const char *text);

/* Clears it away. */
void picture_erase(struct picture *picture);

/* Leaves what is drawn to itself; the next one is drawn below. */
void picture_forget(struct picture *picture);

#endif
