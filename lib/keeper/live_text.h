/*
 * live_text: the live page, as the program has it.
 *
 * Made of the files in live/ when bigm is built.
 */
#ifndef KEEPER_LIVE_TEXT_H
#define KEEPER_LIVE_TEXT_H

extern const char live_html[], live_css[], live_js[];

#endif
