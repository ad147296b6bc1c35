#include "config.h"

#include "cloudconfig/emit.h"

#include <stdio.h>

#include "base/error.h"
#include "cloudconfig/check.h"
#include "cloudconfig/pack.h"

#define HEAD "#cloud-config\n"

static void emit_encoded(struct yaml_out *y, const char *encoding,
			 const void *bytes, size_t len)
{
	AUTO_FREE char *text = pack_base64(bytes, len);

	yaml_pair(y, "encoding", encoding);
	yaml_pair(y, "content", text);
}

static void emit_content(const struct cloudconfig_file *file,
			 struct yaml_out *y)
{
	struct buffer packed = BUFFER_INIT(file->len + 1024);

	if (check_is_text(file->content, file->len)) {
		yaml_key(y, "content");
		yaml_bytes(y, file->content, file->len);
	} else if (pack_gzip(file->content, file->len, &packed, NULL) == 0 &&
		   packed.len < file->len) {
		emit_encoded(y, "gz+b64", buffer_data(&packed), packed.len);
	} else {
		emit_encoded(y, "b64", file->content, file->len);
	}
	buffer_release(&packed);
}

void emit_file(const struct cloudconfig_file *file, struct yaml_out *y)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", file->mode & 07777);
	yaml_map(y);
	yaml_pair(y, "path", file->path);
	yaml_pair(y, "permissions", mode);
	/* Others may not be known yet; they get it afterwards. */
	yaml_pair(y, "owner", "root:root");
	emit_content(file, y);
	yaml_end_map(y);
}

void emit_keys(const struct cloudconfig *c, const char *user,
	       struct yaml_out *y)
{
	bool begun = false;

	for (size_t i = 0; i < c->nkeys; i++) {
		const struct cloudconfig_key *key = &c->keys[i];

		if (user ? !key->user || strcmp(user, key->user) != 0
			 : key->user != NULL)
			continue;
		if (!begun) {
			yaml_key(y, "ssh_authorized_keys");
			yaml_list(y);
			begun = true;
		}
		yaml_text(y, key->line);
	}
	if (begun)
		yaml_end_list(y);
}

int cloudconfig_emit(const struct cloudconfig *c,
		     enum cloudconfig_flavor flavor, struct buffer *out,
		     struct bigm_error *err)
{
	struct yaml_out y;
	int r = buffer_append(out, HEAD, sizeof(HEAD) - 1, err);

	if (r < 0)
		return r;
	yaml_out_begin(&y, out);
	yaml_map(&y);
	if (flavor == CLOUDCONFIG_FLATCAR)
		emit_flatcar(c, &y);
	else
		emit_cloudinit(c, flavor, &y);
	yaml_end_map(&y);
	r = yaml_out_finish(&y, err);
	return r < 0 ? error_prefix(err, "the document for %s",
				    cloudconfig_flavor_name(flavor))
		     : 0;
}
