/*
 * begin_text: begin.sh, as a host gets it.
 *
 * Made of that file when bigm is built.
 */
#ifndef SSH_BEGIN_TEXT_H
#define SSH_BEGIN_TEXT_H

extern const char ssh_begin_script[];

#endif
