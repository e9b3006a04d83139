/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was judged stays as it was: snapshots, compactions and refills must
 * not lose what nobody has written for a while.
 *
 *	judged ---- FORMER_MAX epochs later, or at the end: read again, the same
 *
 * Who makes room removes its keys, too, or a long torture would fill the
 * stores.  A key with a write of unknown outcome may change at any time, and is
 * not compared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "lab/torture.h"

#define FORMER_MAX	256

struct former {
	struct lab *lab;
	struct raftsup *client;
	bool remove;
	uint64_t begin, end;		/* epochs, counted from 0 */
	struct former_key keys[FORMER_MAX][HISTORY_KEYS];
};

static void	look_at_all(struct former *, const struct former_key *);
static void	look_again(struct former *, const struct former_key *);

struct former *
former_new(struct lab *lab, struct raftsup *client, bool remove)
{
	struct former *former = calloc(1, sizeof(*former));

	if (former == NULL) {
		lab_fail(lab, "no memory");
	}
	former->lab = lab;
	former->client = client;
	former->remove = remove;
	return former;
}

void
former_free(struct former *former)
{
	free(former);
}

void
former_add(struct former *former, const struct former_key keys[HISTORY_KEYS])
{
	const struct former_key *oldest =
	    former->keys[former->begin % FORMER_MAX];
	size_t i;

	if (former->end - former->begin == FORMER_MAX) {
		look_at_all(former, oldest);
		for (i = 0; former->remove && i < HISTORY_KEYS; i++) {
			/* One more or less is no matter. */
			if (raftsup_del(former->client, oldest[i].name,
			    strlen(oldest[i].name)) != RAFTSUP_OK) {
				continue;
			}
		}
		former->begin++;
	}
	memcpy(former->keys[former->end++ % FORMER_MAX], keys,
	    sizeof(former->keys[0]));
}

void
former_end(struct former *former)
{
	while (former->begin < former->end) {
		look_at_all(former,
		    former->keys[former->begin++ % FORMER_MAX]);
	}
}

static void
look_at_all(struct former *former, const struct former_key *keys)
{
	size_t i;

	for (i = 0; i < HISTORY_KEYS; i++) {
		if (keys[i].certain) {
			look_again(former, &keys[i]);
		}
	}
}

static void
look_again(struct former *former, const struct former_key *key)
{
	struct raftsup_request get = { .operation = RAFTSUP_GET,
		.key = key->name, .key_size = strlen(key->name) };
	struct raftsup_answer answer;
	int code = raftsup_call(former->client, &get, &answer);

	if (code != RAFTSUP_OK && code != RAFTSUP_NOT_FOUND) {
		lab_fail(former->lab, "%s cannot be read: %s", key->name,
		    raftsup_error(former->client));
	}
	if ((code == RAFTSUP_OK) != key->there || (key->there &&
	    (answer.value_size != key->size || crc32c(0, answer.value,
	    answer.value_size) != key->crc))) {
		lab_fail(former->lab, "%s %s, and nobody has written it since "
		    "it was judged", key->name, !key->there ? "is there" :
		    code == RAFTSUP_OK ? "has changed" : "is lost");
	}
}
