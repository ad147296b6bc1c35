/*
 * flamegraph_text: the script in a flame graph.
 *
 * Made of flamegraph.js when bigm is built.
 */
#ifndef PPROF_FLAMEGRAPH_TEXT_H
#define PPROF_FLAMEGRAPH_TEXT_H

extern const char flamegraph_script[];

#endif
