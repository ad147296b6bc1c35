#include "config.h"

#include "supervisor/image.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"

struct image *image_plain(const char *path)
{
	struct image *image = xcalloc(1, sizeof(*image));

	image->path = xstrdup(path);
	image->program = xstrdup(path);
	image->named = true;
	return image;
}

static char **append(char **to, char *const *strings)
{
	for (; strings && *strings; strings++)
		*to++ = xstrdup(*strings);
	return to;
}

struct image *image_copy(const struct image *from)
{
	struct image *image = image_plain(from->path);

	free(image->program);
	image->program = xstrdup(from->program);
	image->head = strings_copy(from->head);
	image->named = from->named;
	image->tail = strings_copy(from->tail);
	image->dir = from->dir ? xstrdup(from->dir) : NULL;
	return image;
}

void image_free(struct image *image)
{
	if (!image)
		return;
	strings_free(image->head);
	strings_free(image->tail);
	free(image->path);
	free(image->program);
	free(image->dir);
	free(image);
}

char **image_argv(const struct image *image, char *const *argv)
{
	char **full = xcalloc(strings_count(image->head) +
				      strings_count(image->tail) +
				      strings_count(argv) + 1, sizeof(*full));
	char **at = append(full, image->head);

	if (image->named)
		*at++ = xstrdup(argv[0]);
	at = append(at, image->tail);
	append(at, argv + 1);
	return full;
}

static void add_strings(cJSON *json, const char *name, char *const *strings)
{
	if (strings &&
	    !cJSON_AddItemToObject(json, name,
				   json_strings(strings)))
		alloc_failed();
}

cJSON *image_json(const struct image *image)
{
	cJSON *json = cJSON_CreateObject();

	if (!cJSON_AddStringToObject(json, "path", image->path) ||
	    !cJSON_AddStringToObject(json, "program", image->program) ||
	    !cJSON_AddBoolToObject(json, "named", image->named) ||
	    (image->dir && !cJSON_AddStringToObject(json, "dir", image->dir)))
		alloc_failed();
	add_strings(json, "head", image->head);
	add_strings(json, "tail", image->tail);
	return json;
}

static int get_list(const cJSON *json, const char *name, char ***list,
		    struct bigm_error *err)
{
	if (!cJSON_GetObjectItemCaseSensitive(json, name))
		return 0;
	*list = json_get_strings(json, name, name, err);
	return *list ? 0 : BIGM_EINVALID;
}

struct image *image_read(const cJSON *json, struct bigm_error *err)
{
	const char *path, *program, *dir = NULL;
	struct image *image;

	if (bigm_json_get_string(json, "path", &path, err) < 0 ||
	    bigm_json_get_string(json, "program", &program, err) < 0 ||
	    json_opt_string(json, "dir", &dir, err) < 0)
		return NULL;
	image = image_plain(path);
	free(image->program);
	image->program = xstrdup(program);
	image->dir = dir ? xstrdup(dir) : NULL;
	if (bigm_json_get_bool(json, "named", &image->named, err) == 0 &&
	    get_list(json, "head", &image->head, err) == 0 &&
	    get_list(json, "tail", &image->tail, err) == 0)
		return image;
	image_free(image);
	return NULL;
}
