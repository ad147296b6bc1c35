/*
 * bigm completion: what a shell offers behind `bigm`.
 *
 * The scripts only carry words: `bigm completion candidates -- WORD...` knows,
 * from the option tables and the living clusters, what the last of the words
 * could become, one "WORD<tab>WHAT IT IS" a line, and ":files" where a file
 * may stand.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/detached.h"

static const char bash_script[] =
"_bigm() {\n"
"    local line\n"
"    COMPREPLY=()\n"
"    while IFS= read -r line; do\n"
"        case $line in\n"
"        :files) compopt -o default ;;\n"
"        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
"        esac\n"
"    done < <(\"${COMP_WORDS[0]}\" completion candidates -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
"}\n"
"complete -F _bigm bigm\n";

static const char zsh_script[] =
"#compdef bigm\n"
"_bigm() {\n"
"    local -a candidates\n"
"    local line files\n"
"    for line in \"${(@f)$(\"$words[1]\" completion candidates -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
"        case $line in\n"
"        :files) files=1 ;;\n"
"        ?*) candidates+=(\"${${line//:/\\\\:}/$'\\t'/:}\") ;;\n"
"        esac\n"
"    done\n"
"    (( $#candidates )) && _describe bigm candidates\n"
"    [[ -n $files ]] && _files\n"
"}\n"
"compdef _bigm bigm\n";

static const char fish_script[] =
"function __bigm_complete\n"
"    set -l words (commandline -opc)\n"
"    set -l current (commandline -ct)\n"
"    for line in ($words[1] completion candidates -- $words[2..-1] \"$current\" 2>/dev/null)\n"
"        if test \"$line\" = :files\n"
"            __fish_complete_path \"$current\"\n"
"        else\n"
"            echo $line\n"
"        end\n"
"    end\n"
"end\n"
"complete -c bigm -f -a '(__bigm_complete)'\n";

static const struct {
	const char *name, *script;
} shells[] = {
	{ "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script },
};

#define NSHELLS (sizeof(shells) / sizeof(*shells))

/* ------------------------------------------------------------------ */
/* Candidates                                                          */

/* A command line that is being typed. */
struct typing {
	const struct invocation *in;
	const struct command *command; /* NULL: not typed yet */
	char **words; /* before the last one */
	int n;
	const char *last; /* what is to be completed */
	const char *cluster; /* of --cluster; NULL: the only one */
};

static void offer(const struct typing *t, const char *word, const char *what)
{
	if (strncmp(word, t->last, strlen(t->last)) == 0)
		printf("%s%s%s\n", word, what != NULL ? "\t" : "",
		       what != NULL ? what : "");
}

static void offer_commands(const struct typing *t)
{
	const struct command *const *commands = t->in->commands;

	for (; *commands != NULL; commands++)
		offer(t, (*commands)->name, (*commands)->summary);
}

static void offer_clusters(const struct typing *t)
{
	char **names = record_list(NULL);

	for (char **name = names; name != NULL && *name != NULL; name++)
		offer(t, *name, "cluster");
	strings_free(names);
}

/* Detached runs; the cluster of one that goes on is there already. */
static void offer_jobs(const struct typing *t)
{
	cJSON *jobs = detached_list(NULL);
	const cJSON *job;
	const char *name, *cluster, *state;

	offer_clusters(t);
	cJSON_ArrayForEach(job, jobs)
		if (bigm_json_get_string(job, "job", &name, NULL) == 0 &&
		    bigm_json_get_string(job, "cluster", &cluster, NULL) == 0 &&
		    bigm_json_get_string(job, "state", &state, NULL) == 0 &&
		    (strcmp(state, "running") != 0 || strcmp(name, cluster) != 0))
			offer(t, name, state);
	cJSON_Delete(jobs);
}

static bool is_typed(const struct typing *t, const char *word)
{
	for (int i = 1; i < t->n; i++)
		if (strcmp(t->words[i], word) == 0)
			return true;
	return false;
}

/* All but those that are named already. */
static void offer_machines(const struct typing *t)
{
	AUTO_JSON cJSON *status = NULL;
	struct bigm_error none = BIGM_ERROR_INIT;
	const char *name, *state;
	struct attachment a;
	const cJSON *machine;

	if (is_typed(t, "all"))
		return;
	if (attach(&a, t->cluster, &none) == 0)
		cluster_call(a.cluster, "Status", NULL, &status, &none);
	attachment_release(&a);
	cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(status, "machines")) {
		if (bigm_json_get_string(machine, "machine", &name, NULL) == 0 &&
		    bigm_json_get_string(machine, "state", &state, NULL) == 0 &&
		    !is_typed(t, name))
			offer(t, name, state);
	}
	offer(t, "all", "every machine");
}

static void offer_kind(const struct typing *t, enum option_completion kind)
{
	switch (kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_FILE:
	case COMPLETE_PROGRAM:
		puts(":files");
		break;
	case COMPLETE_CLUSTER:
		offer_clusters(t);
		break;
	case COMPLETE_JOB:
		offer_jobs(t);
		break;
	case COMPLETE_MACHINE:
		offer_machines(t);
		break;
	case COMPLETE_COMMAND:
		offer_commands(t);
		break;
	}
}

static void offer_value(const struct typing *t, const struct option_spec *spec)
{
	for (int i = 0; spec->choices != NULL && spec->choices[i] != NULL; i++)
		offer(t, spec->choices[i], NULL);
	offer_kind(t, spec->completion);
}

static void offer_options(const struct typing *t, const struct option_spec *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		AUTO_FREE char *option = xasprintf("--%s", table->name);

		offer(t, option, table->help);
	}
}

/* The option that `word` is, whose value may come next; NULL for another
 * word. */
static const struct option_spec *find_option(const struct typing *t,
					     const char *word)
{
	const struct option_spec *tables[] = { t->command->table,
					       command_common_table };

	for (size_t i = 0; i < 2; i++) {
		for (const struct option_spec *s = tables[i]; s && s->name; s++) {
			const char letter[3] = { '-', s->letter, '\0' };

			if ((s->letter != 0 && strcmp(word, letter) == 0) ||
			    (strncmp(word, "--", 2) == 0 &&
			     strcmp(word + 2, s->name) == 0))
				return s;
		}
	}
	return NULL;
}

/* Behind a command: how many words there are, and whether the last one is the
 * value of an option. */
static void offer_behind(struct typing *t)
{
	const struct option_spec *pending = NULL;
	int words = 0;

	for (int i = 1; i < t->n; i++) {
		if (pending != NULL) {
			if (pending->completion == COMPLETE_CLUSTER ||
			    pending->completion == COMPLETE_JOB)
				t->cluster = t->words[i];
			pending = NULL;
			continue;
		}
		if (strcmp(t->words[i], "--") == 0) {
			puts(":files");
			return;
		}
		pending = find_option(t, t->words[i]);
		if (pending == NULL && t->words[i][0] != '-')
			words++;
		if (pending != NULL && (pending->kind == OPTION_FLAG ||
					pending->kind == OPTION_SWITCH))
			pending = NULL;
	}
	if (pending != NULL) {
		offer_value(t, pending);
		return;
	}
	if (t->last[0] == '-') {
		offer_options(t, t->command->table);
		offer_options(t, command_common_table);
	} else if (words < t->command->max_words) {
		/* Only the first word of several is a machine, but where there
		 * may be as many as one likes. */
		if (t->command->completion != COMPLETE_MACHINE || words == 0 ||
		    t->command->max_words == INT_MAX)
			offer_kind(t, t->command->completion);
	}
}

static const struct command *find_command(const struct invocation *in,
					  const char *name)
{
	for (size_t i = 0; in->commands[i] != NULL; i++) {
		if (strcmp(in->commands[i]->name, name) == 0)
			return in->commands[i];
	}
	return NULL;
}

static void offer_all(const struct invocation *in)
{
	struct typing t = { .in = in, .words = in->words.rest,
			    .n = in->words.nrest - 1, .last = "" };

	if (t.n >= 0)
		t.last = t.words[t.n];
	if (t.n <= 0) {
		offer_commands(&t);
		return;
	}
	t.command = find_command(in, t.words[0]);
	if (t.command != NULL)
		offer_behind(&t);
}

/* ------------------------------------------------------------------ */

static int run(const struct invocation *in)
{
	const char *word = in->words.nwords > 0 ? in->words.words[0] : "";

	for (size_t i = 0; i < NSHELLS; i++) {
		if (strcmp(word, shells[i].name) == 0) {
			fputs(shells[i].script, stdout);
			return command_finish_output(in, 0);
		}
	}
	if (strcmp(word, "candidates") != 0)
		return command_fail(in, STATUS_USAGE,
				    "which shell? usage: bigm completion %s",
				    in->command->synopsis);
	offer_all(in);
	return command_finish_output(in, 0);
}

const struct command command_completion = {
	.name = "completion",
	.synopsis = "bash|zsh|fish",
	.summary = "Print what makes a shell complete bigm's command lines",
	.details =
"For bash, in ~/.bashrc:   source <(bigm completion bash)\n"
"For zsh, in ~/.zshrc:     source <(bigm completion zsh)\n"
"For fish:                 bigm completion fish | source\n",
	.max_words = 1,
	.program = true,
	.run = run,
};
