#include "config.h"

#include "cloudconfig/yaml_out.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"

static int on_write(void *data, unsigned char *bytes, size_t len)
{
	struct yaml_out *y = data;

	if (y->why.code != 0)
		return 0;
	return buffer_append(y->out, bytes, len, &y->why) == 0;
}

/* Consumes the event.  `made` is what its initialisation returned: 0 for text
 * that is no UTF-8. */
static void emit(struct yaml_out *y, yaml_event_t *event, int made)
{
	if (!made) {
		if (y->why.code == 0)
			bigm_error_set(&y->why, BIGM_EINVALID,
				       "the document has bytes that are no "
				       "UTF-8");
		return;
	}
	if (y->why.code != 0) {
		yaml_event_delete(event);
		return;
	}
	if (!yaml_emitter_emit(&y->emitter, event) && y->why.code == 0)
		bigm_error_set(&y->why, BIGM_EINVALID, "libyaml: %s",
			       y->emitter.problem ? y->emitter.problem
						  : "out of memory");
}

void yaml_out_begin(struct yaml_out *y, struct buffer *out)
{
	yaml_event_t event;

	*y = (struct yaml_out){ .out = out, .why = BIGM_ERROR_INIT };
	if (!yaml_emitter_initialize(&y->emitter)) {
		bigm_error_set(&y->why, BIGM_EEXHAUSTED,
			       "libyaml: out of memory");
		return;
	}
	yaml_emitter_set_output(&y->emitter, on_write, y);
	yaml_emitter_set_unicode(&y->emitter, 1);
	yaml_emitter_set_width(&y->emitter, -1);
	emit(y, &event,
	     yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(y, &event,
	     yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
}

int yaml_out_finish(struct yaml_out *y, struct bigm_error *err)
{
	yaml_event_t event;

	emit(y, &event, yaml_document_end_event_initialize(&event, 1));
	emit(y, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&y->emitter);
	return error_copy(err, &y->why);
}

void yaml_map(struct yaml_out *y)
{
	yaml_event_t event;

	emit(y, &event,
	     yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 YAML_BLOCK_MAPPING_STYLE));
}

void yaml_end_map(struct yaml_out *y)
{
	yaml_event_t event;

	emit(y, &event, yaml_mapping_end_event_initialize(&event));
}

static void begin_list(struct yaml_out *y, yaml_sequence_style_t style)
{
	yaml_event_t event;

	emit(y, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  style));
}

void yaml_list(struct yaml_out *y)
{
	begin_list(y, YAML_BLOCK_SEQUENCE_STYLE);
}

void yaml_end_list(struct yaml_out *y)
{
	yaml_event_t event;

	emit(y, &event, yaml_sequence_end_event_initialize(&event));
}

static void scalar(struct yaml_out *y, const void *text, size_t len,
		   yaml_scalar_style_t style)
{
	yaml_event_t event;
	int n = len > INT_MAX ? INT_MAX : (int)len;

	emit(y, &event,
	     yaml_scalar_event_initialize(&event, NULL, NULL,
					  (const yaml_char_t *)text, n, 1, 1,
					  style));
}

void yaml_key(struct yaml_out *y, const char *name)
{
	yaml_word(y, name);
}

void yaml_bytes(struct yaml_out *y, const void *text, size_t len)
{
	const char *first = len > 0 ? memchr(text, '\n', len) : NULL;

	scalar(y, len > 0 ? text : "", len,
	       first ? YAML_LITERAL_SCALAR_STYLE
		     : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

void yaml_text(struct yaml_out *y, const char *text)
{
	yaml_bytes(y, text, strlen(text));
}

void yaml_word(struct yaml_out *y, const char *word)
{
	scalar(y, word, strlen(word), YAML_PLAIN_SCALAR_STYLE);
}

void yaml_pair(struct yaml_out *y, const char *name, const char *text)
{
	if (!text)
		return;
	yaml_key(y, name);
	yaml_text(y, text);
}

void yaml_flag(struct yaml_out *y, const char *name, bool on)
{
	if (!on)
		return;
	yaml_key(y, name);
	yaml_word(y, "true");
}

void yaml_more_words(struct yaml_out *y, const char *const *words,
		     const char *const *more)
{
	begin_list(y, YAML_FLOW_SEQUENCE_STYLE);
	for (; *words; words++)
		yaml_text(y, *words);
	for (; *more; more++)
		yaml_text(y, *more);
	yaml_end_list(y);
}

void yaml_words(struct yaml_out *y, const char *const *words)
{
	static const char *const none[] = { NULL };

	yaml_more_words(y, words, none);
}
