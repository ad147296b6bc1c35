#include "ec2/network.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strings.h"
#include "ec2/api_network.h"
#include "ec2/api_tags.h"
#include "ec2/plan.h"
#include "ec2/strays.h"

#define ROUNDS 10 /* of looking, when others change what is looked at */
#define FIRST_PAUSE_MS 100
#define LAST_PAUSE_MS 2000
#define YES "1" /* what our tags say */
#define RULE_TEXT "bigm: clusters in its tags"

void network_release(struct network *n)
{
	free(n->vpc);
	strings_free(n->groups);
	free(n->own);
	*n = (struct network)NETWORK_INIT;
}

static char *cluster_tag(const char *cluster, struct ec2_failure *f)
{
	size_t len = strspn(cluster, "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				     "+-=._:/@");

	if (len > 0 && len <= NETWORK_CLUSTER_MAX && !cluster[len])
		return xasprintf("%s%s", NETWORK_TAG_CLUSTER, cluster);
	ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
			"\"%.120s\" can be no cluster's tag", cluster);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Subnets                                                             */

static int vpc_of_subnets(struct ec2_client *c,
			  const struct network_wish *wish, struct network *n,
			  struct ec2_failure *f)
{
	const size_t named = strings_count(wish->subnets);
	const struct ec2_filter filter = { "subnet-id", wish->subnets, named };
	struct ec2_subnets list = EC2_SUBNETS_INIT;
	int r = ec2_describe_subnets(c, &filter, 1, &list, f);

	if (r == 0 && list.count < named)
		r = ec2_failure_set(f, EC2_NOT_FOUND, BIGM_ENOTFOUND,
				    "%zu of the %zu subnets named (%s, …) are "
				    "not in %s", named - list.count, named,
				    wish->subnets[0], ec2_client_region(c));
	for (size_t i = 1; r == 0 && i < list.count; i++)
		if (strcmp(list.items[i].vpc, list.items[0].vpc) != 0)
			r = ec2_failure_set(f, EC2_BAD_REQUEST, BIGM_EINVALID,
					    "subnets %s and %s are in two VPCs; "
					    "name those of one, or security "
					    "groups", list.items[0].id,
					    list.items[i].id);
	if (r == 0)
		n->vpc = xstrdup(list.items[0].vpc);
	ec2_subnets_release(&list);
	return r;
}

/* ------------------------------------------------------------------ */
/* The group's rules                                                   */

/* What a cluster wants, and whether it has it. */
struct wanted {
	struct ec2_rule *rules;
	bool *there;
	size_t n;
};

/* Ids of rules that are there; they are an answer's. */
struct ids {
	const char **all;
	size_t n;
};

static void want(struct wanted *w, const struct network_wish *wish,
		 const char *group)
{
	static const int ports[] = { 443, 22 };

	w->rules = xcalloc(2 * wish->nallow + 1, sizeof(*w->rules));
	w->there = xcalloc(2 * wish->nallow + 1, sizeof(*w->there));
	for (size_t i = 0; i < wish->nallow; i++)
		for (size_t p = 0; p < 2; p++) {
			const struct allow *a = &wish->allow[i];

			w->rules[w->n++] = (struct ec2_rule){
				.protocol = "tcp",
				.from_port = ports[p], .to_port = ports[p],
				.cidr = a->v6 ? NULL : a->cidr,
				.cidr6 = a->v6 ? a->cidr : NULL,
				.description = RULE_TEXT,
			};
		}
	w->rules[w->n++] = (struct ec2_rule){
		.protocol = "-1", .from_port = -1, .to_port = -1,
		.peer = group, .description = RULE_TEXT,
	};
}

static void unwant(struct wanted *w)
{
	free(w->rules);
	free(w->there);
}

static bool same_text(const char *wanted, const char *is)
{
	return strcmp(wanted ? wanted : "", is) == 0;
}

static bool same_rule(const struct ec2_rule *wanted, const struct ec2_rule *is)
{
	return strcmp(wanted->protocol, is->protocol) == 0 &&
	       wanted->from_port == is->from_port &&
	       wanted->to_port == is->to_port &&
	       same_text(wanted->cidr, is->cidr) &&
	       same_text(wanted->cidr6, is->cidr6) &&
	       same_text(wanted->peer, is->peer);
}

/* Sorts what is there and ours: what lacks the cluster's tag, and what somebody
 * is about to revoke. */
static void compare(struct wanted *w, const struct ec2_rules *rules,
		    const char *tag, struct ids *untagged, struct ids *ending)
{
	for (size_t i = 0; i < w->n; i++)
		w->there[i] = false;
	for (size_t k = 0; k < rules->count; k++) {
		const struct ec2_rule *rule = &rules->items[k];

		for (size_t i = 0; i < w->n; i++) {
			if (!same_rule(&w->rules[i], rule))
				continue;
			w->there[i] = true;
			/* A rule that the user has made stays the user's. */
			if (!*ec2_tag_value(rule->tags, EC2_TAG))
				continue;
			if (!*ec2_tag_value(rule->tags, tag))
				untagged->all[untagged->n++] = rule->id;
			if (*ec2_tag_value(rule->tags, NETWORK_TAG_ENDING))
				ending->all[ending->n++] = rule->id;
		}
	}
}

static int authorize(struct ec2_client *c, const char *group,
		     const struct wanted *w, const struct ec2_tag *tag,
		     bool dry_run, struct ec2_failure *f)
{
	const struct ec2_tag tags[] = { { EC2_TAG, YES }, *tag };
	struct ec2_rule *missing = xcalloc(w->n, sizeof(*missing));
	struct ec2_rules made = EC2_RULES_INIT;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < w->n; i++)
		if (!w->there[i])
			missing[n++] = w->rules[i];
	if (n > 0)
		r = ec2_authorize(c, group, missing, n, tags, 2, dry_run, &made,
				  f);
	ec2_rules_release(&made);
	free(missing);
	return r;
}

static int describe_rules(struct ec2_client *c, const char *group,
			  struct ec2_rules *rules, struct ec2_failure *f)
{
	const struct ec2_filter filter = { "group-id", &group, 1 };

	return ec2_describe_rules(c, &filter, 1, rules, f);
}

/* What of the rules that are there is to be done.  Returns 1 where they are to
 * be looked at again. */
static int take_part(struct ec2_client *c, const struct ids *untagged,
		     const struct ids *ending, const struct ec2_tag *own,
		     bool last, struct ec2_failure *f)
{
	static const char *const mark = NETWORK_TAG_ENDING;
	int r = 0;

	if (untagged->n > 0)
		r = ec2_create_tags(c, untagged->all, untagged->n, own, 1, f);
	/* Nobody takes that long: who has put it is dead. */
	if (r == 0 && ending->n > 0 && last)
		r = ec2_delete_tags(c, ending->all, ending->n, &mark, 1, f);
	if (r < 0)
		return r;
	return !last && (untagged->n > 0 || ending->n > 0);
}

static int give_rules(struct ec2_client *c, const struct network_wish *wish,
		      const char *group, const char *tag, bool last,
		      struct ec2_failure *f)
{
	char host[STRAYS_HOST_MAX];
	const struct ec2_tag own = { tag, host };
	struct ec2_rules rules = EC2_RULES_INIT;
	struct wanted w = { NULL, NULL, 0 };
	int r = describe_rules(c, group, &rules, f);
	struct ids untagged = { xcalloc(rules.count + 1, sizeof(char *)), 0 };
	struct ids ending = { xcalloc(rules.count + 1, sizeof(char *)), 0 };

	strays_host(host);
	want(&w, wish, group);
	if (r == 0) {
		compare(&w, &rules, tag, &untagged, &ending);
		r = authorize(c, group, &w, &own, wish->dry_run, f);
	}
	if (r == 0 && !wish->dry_run)
		r = take_part(c, &untagged, &ending, &own, last, f);
	free(untagged.all);
	free(ending.all);
	unwant(&w);
	ec2_rules_release(&rules);
	return r;
}

/* ------------------------------------------------------------------ */
/* The group                                                           */

static int find_group(struct ec2_client *c, const char *vpc, const char *name,
		      char **id, struct ec2_failure *f)
{
	const struct ec2_filter filters[] = { { "vpc-id", &vpc, 1 },
					      { "group-name", &name, 1 } };
	struct ec2_groups list = EC2_GROUPS_INIT;
	int r = ec2_describe_groups(c, filters, 2, &list, f);

	if (r == 0 && list.count > 0) {
		free(*id);
		*id = xstrdup(list.items[0].id);
	}
	ec2_groups_release(&list);
	return r;
}

/* One round: finds the group or makes it, and gives it its rules. */
static int round_of(struct ec2_client *c, const struct network_wish *wish,
		    const char *tag, bool last, struct network *n,
		    struct ec2_failure *f)
{
	AUTO_FREE char *name = xasprintf("bigm-%s", wish->user);
	AUTO_FREE char *text = xasprintf("Machines that bigm starts for %s",
					 wish->user);
	const struct ec2_tag tags[] = { { EC2_TAG, YES },
					{ EC2_TAG_USER, wish->user } };
	int r = find_group(c, n->vpc, name, &n->own, f);

	if (r == 0 && !n->own)
		r = ec2_create_group(c, n->vpc, name, text, tags, 2,
				     wish->dry_run, &n->own, f);
	return r == 0 && n->own ? give_rules(c, wish, n->own, tag, last, f)
				: r;
}

static int own_group(struct ec2_client *c, const struct network_wish *wish,
		     struct network *n, struct ec2_failure *f)
{
	AUTO_FREE char *tag = cluster_tag(wish->cluster, f);
	uint64_t pause = FIRST_PAUSE_MS;
	int r = tag ? 1 : BIGM_EINVALID;

	for (int i = 0; tag && i < ROUNDS; i++) {
		if (i > 0 && cancel_sleep(ec2_client_cancel(c), pause))
			return ec2_failure_set(f, EC2_CANCELED, BIGM_ECANCELED,
					       "canceled");
		if (i > 0 && pause < LAST_PAUSE_MS)
			pause *= 2;
		r = round_of(c, wish, tag, i == ROUNDS - 1, n, f);
		/* Another bigm makes or deletes it, or EC2 does not know yet
		 * what it has made. */
		if (r < 0 && f->kind == EC2_NOT_FOUND) {
			free(n->own);
			n->own = NULL;
		} else if (r == 0 || (r < 0 && f->kind != EC2_EXISTS)) {
			break;
		}
	}
	if (r < 0)
		return r;
	const char *const own[] = { n->own, NULL };
	n->groups = strings_copy(own);
	return 0;
}

int network_prepare(struct ec2_client *c, const struct network_wish *wish,
		    struct network *n, struct ec2_failure *f)
{
	const bool theirs = strings_count(wish->groups) > 0;
	char *own;
	int r = 0;

	*n = (struct network)NETWORK_INIT;
	if (strings_count(wish->subnets) > 0)
		r = vpc_of_subnets(c, wish, n, f);
	else if (!theirs)
		r = ec2_default_vpc(c, &n->vpc, f);
	if (r == 0 && theirs)
		n->groups = strings_copy(wish->groups);
	else if (r == 0)
		r = own_group(c, wish, n, f);
	if (r < 0) {
		own = n->own;
		n->own = NULL;
		network_release(n);
		n->own = own;
	}
	return r;
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static bool others_want(const struct ec2_rule *rule, const char *tag)
{
	const size_t len = strlen(NETWORK_TAG_CLUSTER);

	for (const struct xml_node *t = xml_first(rule->tags); t;
	     t = xml_next(t)) {
		const char *key = xml_get(t, "key");

		if (strncmp(key, NETWORK_TAG_CLUSTER, len) == 0 &&
		    strcmp(key, tag) != 0)
			return true;
	}
	return false;
}

/* Takes the cluster's tag off its rules, which *ids are then. */
static int untag(struct ec2_client *c, const struct ec2_rules *rules,
		 const char *tag, struct ids *ids, struct ec2_failure *f)
{
	static const struct ec2_tag mark = { NETWORK_TAG_ENDING, YES };
	int r;

	for (size_t i = 0; i < rules->count; i++)
		if (*ec2_tag_value(rules->items[i].tags, tag))
			ids->all[ids->n++] = rules->items[i].id;
	if (ids->n == 0)
		return 0;
	r = ec2_create_tags(c, ids->all, ids->n, &mark, 1, f);
	return r == 0 ? ec2_delete_tags(c, ids->all, ids->n, &tag, 1, f) : r;
}

static bool is_among(const char *id, const struct ids *ids)
{
	size_t n = ids->n;

	while (n > 0 && strcmp(ids->all[n - 1], id) != 0)
		n--;
	return n > 0;
}

/* Revokes what nobody wants, and leaves the others in peace. */
static int revoke(struct ec2_client *c, const char *group,
		  const struct ec2_rule *rule, const char *tag,
		  struct ec2_failure *f)
{
	static const char *const mark = NETWORK_TAG_ENDING;
	const char *id = rule->id;
	int r = others_want(rule, tag)
			? ec2_delete_tags(c, &id, 1, &mark, 1, f)
			: ec2_revoke(c, group, &id, 1, f);

	return r < 0 && f->kind == EC2_NOT_FOUND ? 0 : r;
}

int network_withdraw(struct ec2_client *c, const char *group,
		     const char *cluster, struct ec2_failure *f)
{
	AUTO_FREE char *tag = cluster_tag(cluster, f);
	struct ec2_rules before = EC2_RULES_INIT, after = EC2_RULES_INIT;
	int r = tag ? describe_rules(c, group, &before, f) : BIGM_EINVALID;
	struct ids ids = { xcalloc(before.count + 1, sizeof(char *)), 0 };

	if (r == 0)
		r = untag(c, &before, tag, &ids, f);
	if (r == 0 && ids.n > 0)
		r = describe_rules(c, group, &after, f);
	for (size_t i = 0; r == 0 && i < after.count; i++)
		if (is_among(after.items[i].id, &ids))
			r = revoke(c, group, &after.items[i], tag, f);
	free(ids.all);
	ec2_rules_release(&before);
	ec2_rules_release(&after);
	return r < 0 && tag && f->kind == EC2_NOT_FOUND ? 0 : r;
}

int network_remove(struct ec2_client *c, const char *group, bool *removed,
		   struct ec2_failure *f)
{
	int r = ec2_delete_group(c, group, f);

	if (removed)
		*removed = r == 0;
	return r < 0 && f->kind == EC2_IN_USE ? 0 : r;
}
