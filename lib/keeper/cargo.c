#include "config.h"

#include "keeper/cargo.h"

struct cargo *cargo_hold(struct cargo *cargo)
{
	cargo->refs++;
	return cargo;
}

void cargo_put(struct cargo *cargo)
{
	if (cargo && --cargo->refs == 0)
		cargo->ops->free(cargo);
}
