#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "keeper_toy.h"
#include "supervisor/boot.h"
#include "supervisor/supervisor.h"

static int toy_init(struct bigm *b, const cJSON *params, void **state,
		    struct bigm_error *err)
{
	if (cJSON_IsString(params))
		return bigm_error_set(err, BIGM_EINVALID, "%s",
				      params->valuestring);
	return 0;
}

static int toy_say(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	const char *text;

	if (bigm_json_get_string(arg, NULL, &text, err) < 0)
		return BIGM_EINVALID;
	return write(1, text, strlen(text)) < 0 ? BIGM_EIO : 0;
}

static int toy_die(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	toy_say(req, arg, reply, err);
	abort();
}

/* A child that ignores what can be ignored and holds the output; its pid. */
static int toy_fork(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(300); /* where a broken keeper leaves it */
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		if (cJSON_IsTrue(arg))
			setsid();
		else
			setpgid(0, 0);
		for (;;)
			pause();
	}
	*reply = cJSON_CreateNumber(pid);
	return 0;
}

static int toy_env(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	const char *value = getenv("TOY");

	*reply = cJSON_CreateString(value ? value : "");
	return 0;
}

static const struct bigm_method toy_methods[] = {
	{ "Say", toy_say, 0 },
	{ "Die", toy_die, 0 },
	{ "Fork", toy_fork, 0 },
	{ "Env", toy_env, 0 },
	{ NULL, NULL, 0 },
};

static const struct bigm_service_type toy = {
	.size = sizeof(toy),
	.name = "Toy",
	.methods = toy_methods,
	.init = toy_init,
};

static const struct bigm_service_type *const types[] = { &toy, NULL };

bool toy_is_wanted(int argc, char **argv)
{
	return boot_wanted() || (argc > 1 && !strcmp(argv[1], KEEPER_ROLE));
}

int toy_main(int argc, char **argv)
{
	struct boot *boot;

	if (!boot_wanted())
		return keeper_main(argc - 2, argv + 2);
	boot = boot_receive(NULL);
	if (!boot)
		return 1;
	worker_main(boot, argc, argv, types, NULL);
}
