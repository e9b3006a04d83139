/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys whose time has passed.
 *
 *	KV_DATA		user's key -> ..., expires, part, value
 *	KV_EXPIRIES	expires, index, part -> user's key
 *
 * Every record of KV_DATA that expires has one of KV_EXPIRIES, found by what
 * the record says of itself, and the other way round.  The first one is the
 * next that expires.
 *
 * A key is absent from the moment at which log time has reached its time;
 * the record goes a little later, in bounded steps, and its going is the
 * event.  Whoever looks at a record for an entry removes it first.
 */
#include "kv/internal.h"

_Static_assert(INT64_MAX + KV_TTL_NS_MAX < NEVER_NS, "no time overflows");

static int expire_first(struct kv *);
static int seek_expiry(struct kv *, struct kv_slice from, bool after,
    struct kv_data *, struct kv_slice *user_key);

uint64_t
kv_next_expiry_ns(struct kv *kv)
{
	uint64_t at_ns;

	/* What the table cannot give now, the next entry will complain of. */
	return kv->failed == ERR_OK && kv_next_expiry(kv, &at_ns) == ERR_OK ?
	    at_ns :
	    NEVER_NS;
}

int
kv_next_expiry(struct kv *kv, uint64_t *at_ns)
{
	struct kv_slice user_key;
	struct kv_data data;
	int code;

	if (!kv->knows_next_expiry) {
		code = seek_expiry(kv, kv_slice("", 1), false, &data,
		    &user_key);
		if (code != ERR_OK && code != ERR_NOT_FOUND) {
			return code;
		}
		kv->next_expiry_ns = code == ERR_OK ? data.expires_ns :
						      NEVER_NS;
		kv->knows_next_expiry = true;
	}
	*at_ns = kv->next_expiry_ns;
	return ERR_OK;
}

uint64_t
kv_expires_ns(const struct kv *kv, int64_t life_ns)
{
	return kv->position.log_time_ns + (uint64_t)life_ns;
}

void
kv_expiry_key(uint8_t key[EXPIRY_KEY_SIZE], const struct kv_data *data)
{
	uint32_t part = htobe32(data->part);

	kv_put_be64(key, data->expires_ns);
	kv_put_be64(key + 8, data->index);
	memcpy(key + 16, &part, sizeof(part));
}

int
kv_expiry_key_decode(struct kv_slice key, struct kv_data *data)
{
	const uint8_t *from = key.data;
	uint32_t part;

	memset(data, 0, sizeof(*data));
	if (key.size != EXPIRY_KEY_SIZE) {
		return ERR_CORRUPT;
	}
	data->expires_ns = kv_get_be64(from);
	data->index = kv_get_be64(from + 8);
	memcpy(&part, from + 16, sizeof(part));
	data->part = be32toh(part);
	return data->expires_ns != NEVER_NS ? ERR_OK : ERR_CORRUPT;
}

int
kv_expiry_put(struct kv *kv, struct kv_slice user_key,
    const struct kv_data *data)
{
	uint8_t key[EXPIRY_KEY_SIZE];

	kv_expiry_key(key, data);
	if (data->expires_ns < kv->next_expiry_ns) {
		kv->next_expiry_ns = data->expires_ns;
	}
	return kv->table.put(kv->table.arg, KV_EXPIRIES,
	    kv_slice(key, sizeof(key)), user_key);
}

int
kv_expiry_del(struct kv *kv, const struct kv_data *data)
{
	uint8_t key[EXPIRY_KEY_SIZE];
	int code;

	kv_expiry_key(key, data);
	if (data->expires_ns <= kv->next_expiry_ns) {
		kv->knows_next_expiry = false;
	}
	code = kv->table.del(kv->table.arg, KV_EXPIRIES,
	    kv_slice(key, sizeof(key)));
	return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
}

int
kv_expire(struct kv *kv, uint32_t count_max)
{
	uint64_t at_ns;
	int code;

	while ((code = kv_next_expiry(kv, &at_ns)) == ERR_OK &&
	    count_max-- > 0 && at_ns <= kv->position.log_time_ns) {
		code = expire_first(kv);
		if (code != ERR_OK) {
			break;
		}
	}
	return code;
}

int
kv_expired_count(struct kv *kv, uint64_t *count)
{
	uint8_t from[EXPIRY_KEY_SIZE];
	struct kv_slice after = kv_slice("", 1), user_key;
	struct kv_data data;
	uint64_t at_ns;
	int code;

	*count = 0;
	code = kv_next_expiry(kv, &at_ns);
	if (code != ERR_OK || at_ns > kv->position.log_time_ns) {
		return code;
	}
	while ((code = seek_expiry(kv, after, *count != 0, &data,
		    &user_key)) == ERR_OK &&
	    kv_has_expired(kv, &data)) {
		kv_expiry_key(from, &data);
		after = kv_slice(from, sizeof(from));
		(*count)++;
	}
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

int
kv_expiry_is_due(struct kv *kv, uint64_t stamp_ns, bool *is_due)
{
	struct kv_data data = {.expires_ns = kv->position.log_time_ns + 1};
	uint8_t from[EXPIRY_KEY_SIZE];
	struct kv_slice user_key;
	uint64_t at_ns;
	int code;

	*is_due = false;
	if (stamp_ns <= kv->position.log_time_ns) {
		return ERR_OK;
	}
	code = kv_next_expiry(kv, &at_ns);
	if (code != ERR_OK || at_ns > stamp_ns) {
		return code;
	}
	kv_expiry_key(from, &data);
	code = seek_expiry(kv, kv_slice(from, sizeof(from)), false, &data,
	    &user_key);
	if (code == ERR_OK) {
		*is_due = data.expires_ns <= stamp_ns;
	}
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static int
expire_first(struct kv *kv)
{
	uint8_t key_bytes[KV_KEY_SIZE_MAX];
	struct kv_data expiry, data;
	struct kv_slice key;
	int code = seek_expiry(kv, kv_slice("", 1), false, &expiry, &key);

	if (code != ERR_OK) {
		return code;
	}
	memcpy(key_bytes, key.data, key.size);
	key.data = key_bytes;
	code = kv_data_peek(kv, key, &data);
	if (code == ERR_OK &&
	    (!data.is_found || data.expires_ns != expiry.expires_ns ||
		data.index != expiry.index || data.part != expiry.part)) {
		code = ERR_CORRUPT;
	}
	return code == ERR_OK ? kv_data_del(kv, key, &data, KV_EVENT_EXPIRE) :
				code;
}

static int
seek_expiry(struct kv *kv, struct kv_slice from, bool after,
    struct kv_data *data, struct kv_slice *user_key)
{
	struct kv_slice key;
	int code = kv->table.seek(kv->table.arg, KV_EXPIRIES, from, after,
	    &key, user_key);

	if (code != ERR_OK) {
		return code;
	}
	if (user_key->size == 0 || user_key->size > KV_KEY_SIZE_MAX) {
		return ERR_CORRUPT;
	}
	return kv_expiry_key_decode(key, data);
}
