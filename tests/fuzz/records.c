/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: a store whose records are hostile.  A node that opens it, raftck and
 * raftnode check must say what is wrong, or take it for a store; they must
 * not fall over, whatever checksums say.
 *
 *	repeated:
 *	u8	database: 0 meta, 1 log, 2 runs, 3 configs, 4-7 kv's spaces
 *	u8	bit 0: right checksums; bit 1: delete instead; bit 2: an entry's
 *		size stays as it is; bit 3: so do count and size of its block
 *	u8	key: index or number of a name; 255: u8 size and bytes
 *	u8	size of the record
 *	...	the record
 *
 *	or, u8 with bit 7 set: what the journal has on top of it
 *	u8	bit 0: a record that continues it; else bytes at a place
 *	u8	kind of the operation; 2: an entry, made right when bit 1 is set
 *		(its term is the first byte, its type the second); the place
 *	u8	size of the content
 *	...	the content
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "kv/kv.h"
#include "store/state.h"
#include "store/store.h"
#include "store/store_internal.h"
#include "tests/fuzz/fuzz.h"

#define MAP_SIZE	(1u << 20)
#define OPS_MAX		40
#define AREA_SIZE	(16u << 10)	/* of the journal, that is written */

/* A whole store, as files: what each input begins with. */
static struct {
	uint8_t *data;
	size_t size;
} whole[3];
static char dir[256];

/* The journal's, with what it continues. */
static struct {
	uint8_t area[AREA_SIZE];
	size_t offset;
	struct journal_at at;
	uint32_t seed;
	uint64_t last_index;
	uint32_t chain;
} on_top;

static const struct store_identity identity = { 1, 2, 3 };
static const char *const names[] = { LAYOUT_KEY_FORMAT, LAYOUT_KEY_IDENTITY,
	LAYOUT_KEY_RUN, LAYOUT_KEY_HARD_STATE, LAYOUT_KEY_SNAPSHOT,
	"position" };

static struct store_options
make_options(void)
{
	return (struct store_options) { .durability = STORE_PROCESS,
		.log_map_size = MAP_SIZE, .state_map_size = MAP_SIZE,
		.ahead_size = 16u << 10 };
}

static const char *
path_of(int which)
{
	static char path[400];

	if (which == 2) {
		snprintf(path, sizeof(path), "%s/store/%s", dir,
		    LAYOUT_JOURNAL);
		return path;
	}
	snprintf(path, sizeof(path), "%s/store/%s/%s", dir, which == 0 ?
	    LAYOUT_LOG : LAYOUT_STATE, LAYOUT_DATA_FILE);
	return path;
}

static void
remove_dir(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	must(system(command) == 0);
}

/* Some entries, and a state with a session, a key and an answer. */
static void
fill(struct store *store, struct kv *kv, struct state *state)
{
	struct raft_hard_state hard_state = { .term = 2, .vote = 3 };
	struct kv_command commands[] = {
		{ .op = KV_OP_OPEN },
		{ .op = KV_OP_SET, .session = 2, .sequence = 1,
		  .lowest_open = 1, .key = { "key", 3 },
		  .value = { "value", 5 } },
		{ .op = KV_OP_INCR, .session = 2, .sequence = 2,
		  .lowest_open = 1, .key = { "n", 1 }, .number = 5 },
	};
	struct kv_answer answer;
	uint8_t data[200];

	must(store_begin(store) == ERR_OK);
	store_set_hard_state(store, &hard_state);
	must(kv_apply(kv, 1, 1, false, NULL, 0, &answer) == ERR_OK);
	for (uint32_t i = 0; i < 3; i++) {
		struct raft_entry entry = { .index = 2 + i, .term = 1 + i / 2,
			.type = RAFT_ENTRY_COMMAND, .data = data };
		int size = kv_command_encode(&commands[i], data,
		    sizeof(data));

		must(size > 0);
		entry.size = (uint32_t)size;
		entry.checksum = raft_entry_checksum(entry.type, data,
		    entry.size);
		store_append(store, &entry, 1);
		must(kv_apply(kv, entry.index, entry.term, true, data,
		    entry.size, &answer) == ERR_OK);
	}
	must(store_commit(store) == ERR_OK);
	must(kv_flush(kv) == ERR_OK);
	must(state_checkpoint(state) == ERR_OK);
}

static void
set_up(void)
{
	struct raft_configuration configuration = { .index = 1, .count = 1,
		.servers = { { 3, RAFT_VOTER, 2 } } };
	struct store_options options = make_options();
	struct err_buf err = { "" };
	struct store *store;
	struct state *state;
	struct kv *kv;

	snprintf(dir, sizeof(dir), "%s/raftsup-fuzz.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(dir) != NULL);
	atexit(remove_dir);
	must(store_create(dir, &identity, &configuration, &options, &err) ==
	    ERR_OK);
	must(store_open(&store, dir, &identity, &options, &err) == ERR_OK);
	must(state_open(&state, store, &err) == ERR_OK);
	must(kv_new(&kv, state_table(state)) == ERR_OK);
	fill(store, kv, state);
	kv_free(kv);
	state_close(state);
	store_close(store);
	/* All of it into the log environment. */
	must(store_open(&store, dir, &identity, &options, &err) == ERR_OK);
	store_close(store);
	for (int i = 0; i < 3; i++) {
		struct stat st;
		int fd = open(path_of(i), O_RDONLY | O_CLOEXEC);

		must(fd != -1 && fstat(fd, &st) == 0);
		whole[i].size = (size_t)st.st_size;
		whole[i].data = malloc(whole[i].size);
		must(whole[i].data != NULL && read(fd, whole[i].data,
		    whole[i].size) == (ssize_t)whole[i].size);
		close(fd);
	}
}

static void
restore(void)
{
	for (int i = 0; i < 3; i++) {
		/* Of the journal no more than an input can change. */
		size_t size = i < 2 ? whole[i].size :
		    LAYOUT_JOURNAL_BLOCK + AREA_SIZE;
		int fd = open(path_of(i), O_WRONLY | (i < 2 ? O_TRUNC : 0) |
		    O_CLOEXEC);

		must(fd != -1 && write(fd, whole[i].data, size) ==
		    (ssize_t)size);
		close(fd);
	}
}

/* A block of entries: each takes as much as its header says, the last one
 * what is left. */
static void
put_block_right(uint64_t index, uint64_t orders, uint8_t *record, size_t size)
{
	struct layout_entry header;
	struct layout_block head;
	struct raft_entry entry = { .index = index };
	size_t at = sizeof(head), left;
	uint32_t count = 0;

	if (size < sizeof(head)) {
		return;
	}
	memcpy(&head, record, sizeof(head));
	for (; size - at >= sizeof(header); at += entry.size) {
		memcpy(&header, record + at, sizeof(header));
		left = size - at - sizeof(header);
		at += sizeof(header);
		entry.term = header.term;
		entry.type = (enum raft_entry_type)header.type;
		entry.size = header.size < left ? header.size : (uint32_t)left;
		entry.data = record + at;
		entry.checksum = raft_entry_checksum(entry.type, entry.data,
		    entry.size);
		left = entry.size;
		entry.size = (orders & 4) != 0 ? header.size : entry.size;
		record_encode_entry(&header, &entry, header.chain);
		memcpy(record + at - sizeof(header), &header, sizeof(header));
		entry.size = (uint32_t)left;
		entry.index++;
		count++;
	}
	if ((orders & 8) == 0) {
		head.count = count;
		head.size = (uint32_t)size;
	}
	head.checksum = record_block_checksum(index, &head);
	memcpy(record, &head, sizeof(head));
}

/* The checksum that goes with hostile contents; size may grow. */
static void
put_right(unsigned int database, const MDB_val *key, uint64_t orders,
    uint8_t *record, size_t *size)
{
	char name[520];
	uint64_t index = 0;

	memcpy(&index, key->mv_data, key->mv_size < 8 ? key->mv_size : 8);
	if (database == 0) {
		snprintf(name, sizeof(name), "%.*s", (int)key->mv_size,
		    (const char *)key->mv_data);
		if (*size >= 8) {
			record_seal(name, record, *size);
		}
	} else if (database == 1) {
		put_block_right(index, orders, record, *size);
	} else if (database == 2 && *size == sizeof(struct layout_term_run)) {
		struct layout_term_run run;

		record_encode_run(&run, index, bytes_get_u64(record));
		memcpy(record, &run, sizeof(run));
	} else if (database == 3 && *size <= RAFT_CONFIGURATION_SIZE_MAX) {
		uint8_t encoded[sizeof(struct layout_config) +
		    RAFT_CONFIGURATION_SIZE_MAX];

		*size = record_encode_config(encoded, index, record,
		    (uint32_t)*size);
		memcpy(record, encoded, *size);
	} else if (database >= 4 && *size >= 4) {
		uint32_t crc = record_value_checksum(
		    (enum kv_space)(database - 4),
		    (struct kv_slice){ key->mv_data, key->mv_size },
		    record + 4, *size - 4);

		memcpy(record, &crc, 4);
	}
}

static void
one(struct store *store, MDB_txn *txn, struct bytes_in *in,
    unsigned int database)
{
	uint8_t record[600], key_bytes[260] = { 0 };
	uint64_t orders = take(in, 1), which = take(in, 1);
	size_t size = (size_t)take(in, 1), key_size = 8;
	const uint8_t *from;
	MDB_val key = { 8, key_bytes }, value = { 0, record };
	MDB_dbi dbi;

	if (which == 255) {
		key_size = (size_t)take(in, 1);
		from = take_bytes(in, &key_size);
		memcpy(key_bytes, from, key_size);
		key.mv_size = key_size;
	} else if (database == 0 || database == 7) {
		const char *name = names[which % 6];

		key.mv_size = strlen(name);
		memcpy(key_bytes, name, key.mv_size);
	} else if (database < 4) {
		memcpy(key_bytes, &which, 8);
	} else {
		/* Sessions and answers: numbers, the first byte first. */
		bytes_put_u64(key_bytes, __builtin_bswap64(which & 15));
		bytes_put_u64(key_bytes + 8, __builtin_bswap64(which >> 4));
		key.mv_size = database == 6 ? 16 : 8;
	}
	from = take_bytes(in, &size);
	memset(record, 0, sizeof(record));
	memcpy(record, from, size);
	if ((orders & 1) != 0) {
		put_right(database, &key, orders, record, &size);
	}
	value.mv_size = size;
	if (key.mv_size == 0) {
		return;
	}
	dbi = database == 0 ? store->meta : database == 1 ? store->entries :
	    database == 2 ? store->runs : database == 3 ? store->configs :
	    store->contents->spaces[database - 4];
	(void)((orders & 2) != 0 ? mdb_del(txn, dbi, &key, NULL) :
	    mdb_put(txn, dbi, &key, &value, 0));
}

/* One entry that continues the log, whatever its term and type are. */
static void
put_entry(uint8_t *content, size_t size)
{
	struct raft_entry entry = { .index = on_top.last_index + 1,
		.term = size > 0 ? content[0] : 2,
		.type = (enum raft_entry_type)(size > 1 ? content[1] : 2),
		.size = (uint32_t)size, .data = content };
	struct layout_entry header;
	uint32_t chain;

	entry.checksum = raft_entry_checksum(entry.type, content, size);
	chain = record_chain(on_top.chain, entry.index, entry.term,
	    entry.type, entry.checksum);
	record_encode_entry(&header, &entry, chain);
	if (journal_put(on_top.area, &on_top.offset, AREA_SIZE,
	    LAYOUT_OP_ENTRY, &header, sizeof(header), content, size) != 0) {
		on_top.last_index++;
		on_top.chain = chain;
	}
}

static void
one_on_top(struct bytes_in *in)
{
	uint64_t orders = take(in, 1), kind = take(in, 1);
	size_t size = (size_t)take(in, 1), begin = on_top.offset;
	const uint8_t *from = take_bytes(in, &size);
	uint8_t content[256] = { 0 };

	memcpy(content, from, size);
	if ((orders & 1) == 0) {
		memcpy(on_top.area + kind * 32, content, size);
		return;
	}
	if (AREA_SIZE - begin < 1024) {
		return;
	}
	on_top.offset += sizeof(struct layout_record);
	if (kind == LAYOUT_OP_ENTRY && (orders & 2) != 0) {
		put_entry(content, size);
	} else {
		(void)journal_put(on_top.area, &on_top.offset, AREA_SIZE,
		    (uint32_t)kind, content, size, NULL, 0);
	}
	journal_seal(on_top.area, begin,
	    on_top.offset - begin - sizeof(struct layout_record),
	    on_top.offset - begin, on_top.seed, &on_top.at);
}

/* Through the room's own environments, without its checks. */
static void
scribble(struct bytes_in *in)
{
	struct store_options options = make_options();
	struct err_buf err = { "" };
	struct state *state;
	struct store *store;
	MDB_txn *log, *data;
	int fd;

	must(store_open(&store, dir, &identity, &options, &err) == ERR_OK);
	/* The state's databases are open from here on. */
	must(state_open(&state, store, &err) == ERR_OK);
	state_close(state);
	must(mdb_txn_begin(store->log.mdb, NULL, 0, &log) == 0);
	must(mdb_txn_begin(store->contents->env.mdb, NULL, 0, &data) == 0);
	memcpy(on_top.area, whole[2].data + LAYOUT_JOURNAL_BLOCK, AREA_SIZE);
	on_top.offset = 0;
	on_top.at = store->journal.at;
	on_top.seed = store->journal.seed;
	on_top.last_index = store->tail.last_index;
	on_top.chain = store->tail.chain;
	for (int i = 0; in->left > 0 && i < OPS_MAX; i++) {
		unsigned int database = (unsigned int)take(in, 1);

		if ((database & 0x80) != 0) {
			one_on_top(in);
			continue;
		}
		database %= 8;
		one(store, database < 4 ? log : data, in, database);
	}
	must(mdb_txn_commit(log) == 0);
	must(mdb_txn_commit(data) == 0);
	store_close(store);
	fd = open(path_of(2), O_WRONLY | O_CLOEXEC);
	must(fd != -1 && pwrite(fd, on_top.area, AREA_SIZE,
	    LAYOUT_JOURNAL_BLOCK) == (ssize_t)AREA_SIZE);
	close(fd);
}

static void
count(void *arg, const char *text)
{
	touch(text, strlen(text));
	(*(unsigned int *)arg)++;
}

static int
look(void *arg, const struct raft_entry *entry)
{
	(void)arg;
	touch(entry->data, entry->size);
	return 0;
}

static void
boot(struct store *store)
{
	struct raft_config config = { .id = 3, .cluster_id = 1, .store_id = 2,
		.run = 9, .heartbeat_ns = 100, .election_min_ns = 1000,
		.election_max_ns = 2000 };
	struct raft_boot boot;
	const char *what = "";
	struct raft *raft;

	if (store_boot(store, &boot) != ERR_OK) {
		return;
	}
	if (raft_new(&raft, &config, &boot, &what) == ERR_OK) {
		raft_free(raft);
	}
	store_free_boot(&boot);
}

/* All that a node at its start, and the checkers, do with it. */
static void
use(bool read_only)
{
	struct store_options options = make_options();
	struct err_buf err = { "" };
	struct store_log_info info;
	unsigned int lines = 0;
	struct store *store;
	struct state *state;
	struct kv *kv;

	options.read_only = read_only;
	if (store_open(&store, dir, &identity, &options, &err) != ERR_OK) {
		must(err.text[0] != '\0');
		return;
	}
	must((store_check(store, count, &lines) == ERR_OK) == (lines == 0));
	if (store_log_info(store, &info) == ERR_OK) {
		must(store_read(store, info.first_index, info.last_index + 1,
		    UINT64_MAX, look, NULL) <= 0);
	}
	boot(store);
	if (state_open(&state, store, &err) == ERR_OK) {
		if (kv_new(&kv, state_table(state)) == ERR_OK) {
			must(kv_verify(kv, &err) <= 0);
			kv_free(kv);
		}
		state_close(state);
	}
	store_close(store);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct bytes_in in = { input, input_size };

	if (whole[0].data == NULL) {
		set_up();
	}
	restore();
	scribble(&in);
	use(true);
	use(false);
	return 0;
}
