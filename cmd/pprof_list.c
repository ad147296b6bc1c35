#include "cmd/pprof_list.h"

#include "base/alloc.h"
#include "cmd/table.h"

#define ALL "all"

static const cJSON *profiles_of(const cJSON *facts)
{
	return cJSON_GetObjectItemCaseSensitive(facts, "profiles");
}

bool pprof_list_total(cJSON *list)
{
	cJSON *all = cJSON_CreateObject();
	cJSON *sums = cJSON_CreateObject();
	const cJSON *facts, *count;

	cJSON_ArrayForEach(facts, list) {
		cJSON_ArrayForEach(count, profiles_of(facts)) {
			uint64_t sum = 0, n = 0;

			bigm_json_get_uint64(sums, count->string, &sum, NULL);
			bigm_json_get_uint64(count, NULL, &n, NULL);
			if (__builtin_add_overflow(sum, n, &sum))
				sum = UINT64_MAX;
			cJSON_DeleteItemFromObjectCaseSensitive(sums,
								count->string);
			json_add_uint64(sums, count->string, sum);
		}
	}
	cJSON_AddStringToObject(all, "machine", ALL);
	cJSON_AddItemToObject(all, "profiles", sums);
	cJSON_AddItemToArray(list, all);
	return sums->child != NULL;
}

void pprof_list_print(const cJSON *list, size_t width, FILE *out)
{
	const cJSON *all = cJSON_GetArrayItem(list,
					      cJSON_GetArraySize(list) - 1);
	const char *headers[TABLE_COLUMNS + 1] = { "MACHINE" };
	const cJSON *facts, *name;
	struct table table;
	uint64_t count;
	size_t n = 1;

	cJSON_ArrayForEach(name, profiles_of(all))
		if (n < TABLE_COLUMNS - 1)
			headers[n++] = name->string;
	headers[n] = "PROBLEM";
	table_init(&table, headers);
	cJSON_ArrayForEach(facts, list) {
		const char *problem = cJSON_GetStringValue(
			cJSON_GetObjectItemCaseSensitive(facts, "error"));

		table_add(&table, "%s", cJSON_GetStringValue(
						cJSON_GetObjectItem(
							facts, "machine")));
		for (size_t i = 1; i < n; i++) {
			if (bigm_json_get_uint64(profiles_of(facts), headers[i],
						 &count, NULL) == 0)
				table_add(&table, "%llu",
					  (unsigned long long)count);
			else
				table_add(&table, "%s", "-");
		}
		table_add(&table, "%s", problem ? problem : "");
	}
	table_print(&table, width, out);
	table_release(&table);
}
