/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the clients did and were told, and whether it can be so.
 *
 * The history is cut into epochs, each with keys of its own, so that each is
 * judged by itself and then forgotten:
 *
 *	open ---- full: a new one begins ---- nobody is in it any more ----
 *	the judge reads all its keys once more ---- verdict ---- forgotten
 *
 * Registers, counters and accounts go through the linearizability checker.
 * Keys of words, to which each append adds a word that nobody else adds, are
 * judged by their text: a word that was acknowledged with a length ends
 * there, once; what is unknown is there once or not at all; what was refused
 * is not; and nothing that was over before something else began comes behind
 * it.  A word is its number in decimal and a comma.
 *
 * In the file is a line of JSON for each operation, written when it ended.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fs.h"
#include "lab/torture.h"
#include "lin/lin.h"

#define EPOCHS_MAX	4		/* that are not judged */
#define EPOCH_OPS	2400		/* then the next one begins */
#define OPS_ROOM	(EPOCH_OPS + 8 * TORTURE_CLIENTS_MAX + 64)
#define STEPS_MAX	100000000u
#define FILE_SIZE_MAX	(256 << 20)	/* then it is a former file */
#define WORD_SIZE_MAX	24

struct word {				/* an append, or a read of them */
	bool is_read;
	uint32_t key;
	int64_t number;
	uint64_t call, ret;		/* event numbers; 0: no answer */
	enum history_outcome outcome;
	int64_t length;
	uint32_t crc;
	bool found;
};

struct history_epoch {
	uint64_t number;
	const struct history *history;
	bool closed;
	uint32_t busy;			/* operations under way */
	size_t op_count, word_count;
	struct lin_op ops[OPS_ROOM];
	bool left_out[OPS_ROOM];	/* was certainly not done */
	struct word words[OPS_ROOM];
	struct torture_sum increments;
};

struct history {
	struct lab *lab;
	struct torture *torture;
	struct gaps *gaps;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t judge;
	bool ended;
	uint64_t next_event;
	uint64_t next_epoch;
	struct history_epoch *epochs[EPOCHS_MAX];	/* the oldest first */
	size_t epoch_count;
	_Atomic int fd;
	_Atomic uint64_t size;		/* of the file */
	struct raftsup *client;		/* the judge's */
	struct former *former;		/* the same */
};

static void	open_file(struct history *);
static void	begin_epoch(struct history *);
static void	write_line(struct history *, const struct history_op *,
		    enum history_outcome, int64_t);
static void	*judge_thread(void *);
static void	judge(struct history *, struct history_epoch *);
static void	read_all(struct history *, struct history_epoch *);
static void	judge_ops(struct history *, struct history_epoch *);
static void	judge_words(struct history *, struct history_epoch *,
		    uint32_t, const char *, size_t);
static void	violation(struct history *, const struct history_epoch *,
		    const char *, const char *) NORETURN;

struct history *
history_new(struct lab *lab, struct torture *torture, struct gaps *gaps)
{
	struct history *history = calloc(1, sizeof(*history));

	if (history == NULL) {
		lab_fail(lab, "no memory");
	}
	history->lab = lab;
	history->torture = torture;
	history->gaps = gaps;
	history->next_event = 1;
	history->fd = -1;
	pthread_mutex_init(&history->mutex, NULL);
	pthread_cond_init(&history->changed, NULL);
	open_file(history);
	begin_epoch(history);
	return history;
}

void
history_begin(struct history *history)
{
	history->client = lab_client(history->lab, 0, history->lab->limit_ns);
	/* Attached: removed at the end, as many as there are. */
	history->former = former_new(history->lab, history->client,
	    !history->torture->attach);
	if (pthread_create(&history->judge, NULL, judge_thread, history) !=
	    0) {
		lab_fail(history->lab, "no thread");
	}
}

void
history_end(struct history *history)
{
	pthread_mutex_lock(&history->mutex);
	history->epochs[history->epoch_count - 1]->closed = true;
	history->ended = true;
	pthread_cond_broadcast(&history->changed);
	pthread_mutex_unlock(&history->mutex);
	pthread_join(history->judge, NULL);
	former_end(history->former);
	former_free(history->former);
	raftsup_close(history->client);
	close(history->fd);
}

/* A file of a long run is put aside once it is large: one former is kept. */
static void
open_file(struct history *history)
{
	char path[PATH_MAX + 32], former[PATH_MAX + 40];
	int fd;

	snprintf(path, sizeof(path), "%s/" TORTURE_HISTORY,
	    history->torture->stage.dir);
	snprintf(former, sizeof(former), "%s.1", path);
	if (history->fd != -1 && rename(path, former) != 0) {
		lab_fail(history->lab, "%s: %s", path, strerror(errno));
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1) {
		lab_fail(history->lab, "%s: %s", path, strerror(errno));
	}
	if (history->fd == -1) {
		history->fd = fd;
	} else {
		/* Under the same number: others are writing. */
		(void)dup3(fd, history->fd, O_CLOEXEC);
		close(fd);
	}
	history->size = 0;
}

static void
begin_epoch(struct history *history)
{
	struct history_epoch *epoch = calloc(1, sizeof(*epoch));

	if (epoch == NULL) {
		lab_fail(history->lab, "no memory");
	}
	epoch->number = history->next_epoch++;
	epoch->history = history;
	history->epochs[history->epoch_count++] = epoch;
}

struct history_epoch *
history_enter(struct history *history)
{
	struct history_epoch *epoch;
	bool waited = false;

	pthread_mutex_lock(&history->mutex);
	for (;;) {
		epoch = history->epochs[history->epoch_count - 1];
		if (epoch->op_count + epoch->word_count < EPOCH_OPS) {
			break;
		}
		if (history->epoch_count < EPOCHS_MAX) {
			epoch->closed = true;
			pthread_cond_broadcast(&history->changed);
			begin_epoch(history);
			continue;
		}
		waited = true;
		pthread_cond_wait(&history->changed, &history->mutex);
	}
	epoch->busy++;
	pthread_mutex_unlock(&history->mutex);
	if (waited) {
		gaps_forget(history->gaps);
	}
	return epoch;
}

void
history_leave(struct history *history, struct history_epoch *epoch)
{
	pthread_mutex_lock(&history->mutex);
	if (--epoch->busy == 0 && epoch->closed) {
		pthread_cond_broadcast(&history->changed);
	}
	pthread_mutex_unlock(&history->mutex);
}

void
history_name(const struct history_epoch *epoch, enum history_key kind,
    uint32_t number, char name[HISTORY_KEY_SIZE])
{
	static const char letters[] = "rcaw";

	snprintf(name, HISTORY_KEY_SIZE, "torture:%" PRIu64 ":%" PRIu64
	    ":%c%u", epoch->history->torture->seed, epoch->number,
	    letters[kind], number);
}

/* ------------------------------------------------------------ what happens */

static const enum lin_kind lin_kinds[] = {
	[HISTORY_READ] = LIN_READ, [HISTORY_WRITE] = LIN_WRITE,
	[HISTORY_CAS] = LIN_CAS, [HISTORY_ADD] = LIN_ADD,
};

void
history_call(struct history *history, struct history_epoch *epoch,
    enum history_call call, struct history_op *op)
{
	struct lin_op *lin;
	struct word *word;

	op->epoch = epoch;
	op->word = call == HISTORY_APPEND || call == HISTORY_WORDS_READ;
	op->wall_ns = clock_wall_ns();
	op->call_ns = clock_now_ns();
	pthread_mutex_lock(&history->mutex);
	if (op->word) {
		assert(epoch->word_count < OPS_ROOM);
		op->slot = (uint32_t)epoch->word_count++;
		word = &epoch->words[op->slot];
		word->is_read = call == HISTORY_WORDS_READ;
		word->key = op->key;
		word->number = op->arg;
		word->call = history->next_event++;
		word->outcome = HISTORY_UNKNOWN;
	} else {
		assert(epoch->op_count < OPS_ROOM);
		op->slot = (uint32_t)epoch->op_count++;
		lin = &epoch->ops[op->slot];
		lin->call = history->next_event++;
		lin->ret = LIN_NO_REPLY;
		lin->client = op->client;
		lin->key = (uint64_t)op->key_kind * 100 + op->key;
		lin->kind = lin_kinds[call];
		lin->arg = op->arg;
		lin->arg2 = op->arg2;
	}
	pthread_mutex_unlock(&history->mutex);
}

void
history_return(struct history *history, struct history_op *op,
    enum history_outcome outcome, int64_t result, uint32_t crc)
{
	struct history_epoch *epoch = op->epoch;
	struct torture_sum *sum = NULL;
	struct lin_op *lin;
	struct word *word;

	pthread_mutex_lock(&history->mutex);
	if (op->word) {
		word = &epoch->words[op->slot];
		word->outcome = outcome;
		if (outcome == HISTORY_DONE) {
			word->ret = history->next_event++;
			word->length = result;
			word->crc = crc;
		}
		sum = word->is_read ? NULL : &history->torture->report->words;
	} else {
		lin = &epoch->ops[op->slot];
		lin->known = outcome == HISTORY_DONE;
		epoch->left_out[op->slot] = outcome == HISTORY_NOT_DONE;
		if (outcome == HISTORY_DONE) {
			lin->ret = history->next_event++;
			lin->result = result;
		}
		sum = lin->kind == LIN_ADD && op->key_kind == HISTORY_COUNTER ?
		    &epoch->increments : NULL;
	}
	if (sum != NULL && outcome != HISTORY_NOT_DONE) {
		sum->acknowledged += outcome == HISTORY_DONE;
		sum->unknown += outcome == HISTORY_UNKNOWN;
	}
	pthread_mutex_unlock(&history->mutex);
	write_line(history, op, outcome, result);
}

static void
write_line(struct history *history, const struct history_op *op,
    enum history_outcome outcome, int64_t result)
{
	static const char *const outcomes[] = { "done", "not done",
		"unknown" };
	char wall[CLOCK_WALL_TEXT_SIZE], key[HISTORY_KEY_SIZE], line[400];
	char arg[32] = "null", arg2[32] = "null", got[32] = "null";
	int length;

	clock_format_wall(op->wall_ns, wall);
	history_name(op->epoch, op->key_kind, op->key, key);
	if (op->arg != HISTORY_ABSENT) {
		snprintf(arg, sizeof(arg), "%" PRId64, op->arg);
	}
	if (op->arg2 != HISTORY_ABSENT) {
		snprintf(arg2, sizeof(arg2), "%" PRId64, op->arg2);
	}
	if (outcome == HISTORY_DONE && result != HISTORY_ABSENT) {
		snprintf(got, sizeof(got), "%" PRId64, result);
	}
	length = snprintf(line, sizeof(line), "{\"at\":\"%s\",\"took_us\":%"
	    PRIu64 ",\"client\":%u,\"node\":%u,\"op\":\"%s\",\"key\":\"%s\","
	    "\"arg\":%s,\"arg2\":%s,\"outcome\":\"%s\",\"result\":%s}\n", wall,
	    (clock_now_ns() - op->call_ns) / 1000, op->client, op->node,
	    op->name, key, arg, arg2, outcomes[outcome], got);
	if (fs_write_all(history->fd, line, (size_t)length) != ERR_OK) {
		lab_fail(history->lab, "the history cannot be written: %s",
		    strerror(errno));
	}
	history->size += (uint64_t)length;
}

size_t
history_value(int64_t number, char value[HISTORY_VALUE_SIZE])
{
	size_t size = (size_t)snprintf(value, 32, "%" PRId64, number);
	size_t pad = number % 256 == 9 ? 40000 : number % 32 == 7 ? 2000 : 0;

	memset(value + size, 'a' + (char)(number % 26), pad);
	return size + pad;
}

int64_t
history_integer(const void *value, size_t size)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*s", size > 24 ? 24 : (int)size,
	    (const char *)value);
	return strtoll(text, NULL, 10);
}

bool
history_number(const void *value, size_t size, int64_t *number)
{
	char *wanted;
	bool same;

	*number = history_integer(value, size);
	wanted = malloc(HISTORY_VALUE_SIZE);
	same = *number > 0 && wanted != NULL &&
	    history_value(*number, wanted) == size &&
	    memcmp(wanted, value, size) == 0;
	free(wanted);
	return same;
}

/* ---------------------------------------------------------------- the judge */

static void *
judge_thread(void *arg)
{
	struct history *history = arg;
	struct history_epoch *epoch;

	pthread_mutex_lock(&history->mutex);
	for (;;) {
		epoch = history->epochs[0];
		if (!epoch->closed || epoch->busy > 0) {
			pthread_cond_wait(&history->changed, &history->mutex);
			continue;
		}
		pthread_mutex_unlock(&history->mutex);
		judge(history, epoch);
		pthread_mutex_lock(&history->mutex);
		if (history->size > FILE_SIZE_MAX) {
			open_file(history);
		}
		memmove(history->epochs, history->epochs + 1,
		    --history->epoch_count * sizeof(*history->epochs));
		free(epoch);
		pthread_cond_broadcast(&history->changed);
		if (history->epoch_count == 0) {
			break;
		}
	}
	pthread_mutex_unlock(&history->mutex);
	return NULL;
}

static void
judge(struct history *history, struct history_epoch *epoch)
{
	struct torture_report *report = history->torture->report;

	read_all(history, epoch);
	judge_ops(history, epoch);
	report->epochs++;
}

static const void *
ask(struct history *history, const char *key, enum raftsup_operation operation,
    struct raftsup_answer *answer)
{
	struct raftsup_request request = { .operation = operation,
		.key = key, .key_size = strlen(key) };
	int code = raftsup_call(history->client, &request, answer);

	if (code != RAFTSUP_OK && code != RAFTSUP_NOT_FOUND) {
		lab_fail(history->lab, "%s cannot be read: %s", key,
		    raftsup_error(history->client));
	}
	return code == RAFTSUP_OK ? answer->value : NULL;
}

/* All that was asked of it has an answer: it will not change any more. */
static bool
is_certain(const struct history_epoch *epoch, enum history_key kind,
    uint32_t number)
{
	const struct lin_op *lin;
	const struct word *word;
	size_t i;

	for (i = 0; i < epoch->op_count; i++) {
		lin = &epoch->ops[i];
		if (lin->key == (uint64_t)kind * 100 + number &&
		    lin->kind != LIN_READ && !lin->known &&
		    !epoch->left_out[i]) {
			return false;
		}
	}
	for (i = 0; kind == HISTORY_WORD && i < epoch->word_count; i++) {
		word = &epoch->words[i];
		if (word->key == number && !word->is_read &&
		    word->outcome == HISTORY_UNKNOWN) {
			return false;
		}
	}
	return true;
}

static void
remember(struct former_key *key, const struct history_epoch *epoch,
    enum history_key kind, uint32_t number, const void *value, size_t size)
{
	memset(key, 0, sizeof(*key));
	history_name(epoch, kind, number, key->name);
	key->certain = is_certain(epoch, kind, number);
	key->there = value != NULL;
	if (value != NULL) {
		key->size = size;
		key->crc = crc32c(0, value, size);
	}
}

/* One more read of each key, when nobody writes it any more. */
static void
read_all(struct history *history, struct history_epoch *epoch)
{
	static const uint32_t numbers[] = { HISTORY_REGISTERS,
		HISTORY_COUNTERS, HISTORY_ACCOUNTS, HISTORY_WORDS };
	struct history_op op = { .client = history->torture->clients,
		.name = "last get", .arg = HISTORY_ABSENT,
		.arg2 = HISTORY_ABSENT };
	struct former_key former[HISTORY_KEYS], *next = former;
	struct raftsup_answer answer;
	char key[HISTORY_KEY_SIZE];
	const void *value;
	int64_t number;

	for (int kind = 0; kind < HISTORY_KEY_KINDS; kind++) {
		for (uint32_t i = 0; i < numbers[kind]; i++) {
			op.key_kind = (enum history_key)kind;
			op.key = i;
			history_name(epoch, op.key_kind, i, key);
			if (kind == HISTORY_WORD) {
				value = ask(history, key, RAFTSUP_GET,
				    &answer);
				remember(next++, epoch, HISTORY_WORD, i,
				    value, answer.value_size);
				judge_words(history, epoch, i, value == NULL ?
				    "" : value, value == NULL ? 0 :
				    answer.value_size);
				continue;
			}
			history_call(history, epoch, HISTORY_READ, &op);
			value = ask(history, key, RAFTSUP_GET, &answer);
			remember(next++, epoch, op.key_kind, i, value,
			    answer.value_size);
			number = HISTORY_ABSENT;
			if (value != NULL && kind == HISTORY_REGISTER &&
			    !history_number(value, answer.value_size,
			    &number)) {
				violation(history, epoch, key,
				    "holds what nobody wrote");
			} else if (value != NULL && kind != HISTORY_REGISTER) {
				number = history_integer(value,
				    answer.value_size);
			}
			history_return(history, &op, HISTORY_DONE, number, 0);
			if (kind == HISTORY_COUNTER) {
				epoch->increments.found += number < 0 ? 0 :
				    (uint64_t)number;
			}
		}
	}
	former_add(history->former, former);
}

static void
judge_ops(struct history *history, struct history_epoch *epoch)
{
	static const char *const kinds[] = { "register", "counter",
		"account" };
	struct torture_report *report = history->torture->report;
	struct torture_sum *sum = &epoch->increments;
	char what[200], text[2048];
	size_t i, count = 0, bad;
	enum lin_verdict verdict;

	for (i = 0; i < epoch->op_count; i++) {
		if (!epoch->left_out[i]) {
			epoch->ops[count++] = epoch->ops[i];
		}
	}
	verdict = lin_check(epoch->ops, count, STEPS_MAX, &bad);
	if (verdict == LIN_BAD) {
		lin_explain(epoch->ops, count, bad, text, sizeof(text));
		snprintf(what, sizeof(what), "%s %" PRIu64 " of epoch %" PRIu64
		    " is not linearizable",
		    kinds[epoch->ops[bad].key / 100 % 3],
		    epoch->ops[bad].key % 100, epoch->number);
		violation(history, epoch, what, text);
	}
	report->epochs_unknown += verdict == LIN_UNKNOWN;
	if (sum->found < sum->acknowledged ||
	    sum->found > sum->acknowledged + sum->unknown) {
		snprintf(what, sizeof(what), "the counters of epoch %" PRIu64
		    " say %" PRIu64 " after %" PRIu64 " increments and %"
		    PRIu64 " of unknown outcome", epoch->number, sum->found,
		    sum->acknowledged, sum->unknown);
		violation(history, epoch, what, sum->found <
		    sum->acknowledged ? "some were lost" :
		    "some were carried out twice");
	}
	report->increments.acknowledged += sum->acknowledged;
	report->increments.unknown += sum->unknown;
	report->increments.found += sum->found;
}

/* ------------------------------------------------------------------- words */

static int
compare_numbers(const void *a, const void *b)
{
	const struct word *x = *(struct word *const *)a;
	const struct word *y = *(struct word *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct word *
find_word(struct word **words, size_t count, int64_t number)
{
	struct word key = { .number = number }, *pointer = &key, **found;

	found = bsearch(&pointer, words, count, sizeof(*words),
	    compare_numbers);
	return found == NULL ? NULL : *found;
}

static int
compare_lengths(const void *a, const void *b)
{
	const struct word *x = *(struct word *const *)a;
	const struct word *y = *(struct word *const *)b;

	if (x->length != y->length) {
		return x->length < y->length ? -1 : 1;
	}
	if (x->is_read != y->is_read) {
		return x->is_read ? 1 : -1;
	}
	return (x->call > y->call) - (x->call < y->call);
}

/* What was over before something else began does not come behind it. */
static void
judge_word_order(struct history *history, struct history_epoch *epoch,
    const char *key, struct word **words, size_t count)
{
	uint64_t least = UINT64_MAX;
	char text[200];
	size_t i;

	qsort(words, count, sizeof(*words), compare_lengths);
	for (i = count; i-- > 0;) {
		if (words[i]->call > least) {
			snprintf(text, sizeof(text), "what ends at %" PRId64
			    " bytes began after something longer was seen",
			    words[i]->length);
			violation(history, epoch, key, text);
		}
		if (words[i]->ret != 0 && words[i]->ret < least) {
			least = words[i]->ret;
		}
	}
}

/* Each word of the text, as it stands there. */
static void
judge_word_text(struct history *history, struct history_epoch *epoch,
    const char *key, struct word **words, size_t count, const char *value,
    size_t size)
{
	char text[200], number[WORD_SIZE_MAX + 1];
	const char *end, *at = value;
	struct word *word;

	while (at < value + size) {
		end = memchr(at, ',', (size_t)(value + size - at));
		if (end == NULL || end - at > WORD_SIZE_MAX) {
			violation(history, epoch, key,
			    "ends with half a word");
		}
		snprintf(number, sizeof(number), "%.*s", (int)(end - at), at);
		word = find_word(words, count, strtoll(number, NULL, 10));
		at = end + 1;
		if (word == NULL || word->found ||
		    word->outcome == HISTORY_NOT_DONE ||
		    (word->outcome == HISTORY_DONE && word->length !=
		    HISTORY_ABSENT && word->length != at - value)) {
			snprintf(text, sizeof(text), "has %s at %td bytes: %s",
			    number, at - value, word == NULL ?
			    "nobody appended it" : word->found ?
			    "it is there twice" : word->outcome ==
			    HISTORY_NOT_DONE ? "it was not to be done" :
			    "another length was answered");
			violation(history, epoch, key, text);
		}
		word->found = true;
		word->length = at - value;
		history->torture->report->words.found++;
	}
}

static void
judge_words(struct history *history, struct history_epoch *epoch,
    uint32_t key, const char *value, size_t size)
{
	struct word **words, *word;
	char name[HISTORY_KEY_SIZE], text[200];
	size_t i, count = 0, placed = 0;

	history_name(epoch, HISTORY_WORD, key, name);
	words = reallocarray(NULL, epoch->word_count + 1, sizeof(*words));
	if (words == NULL) {
		lab_fail(history->lab, "no memory");
	}
	for (i = 0; i < epoch->word_count; i++) {
		word = &epoch->words[i];
		if (word->key == key && !word->is_read) {
			words[count++] = word;
		}
	}
	qsort(words, count, sizeof(*words), compare_numbers);
	judge_word_text(history, epoch, name, words, count, value, size);
	for (i = 0; i < epoch->word_count; i++) {
		word = &epoch->words[i];
		if (word->key != key || (word->outcome != HISTORY_DONE &&
		    !word->found)) {
			continue;
		}
		if (word->is_read ? word->length > (int64_t)size ||
		    crc32c(0, value, (size_t)word->length) != word->crc :
		    !word->found) {
			snprintf(text, sizeof(text), word->is_read ?
			    "once had other %" PRId64 " bytes" :
			    "lacks %" PRId64 ", which was acknowledged",
			    word->is_read ? word->length : word->number);
			violation(history, epoch, name, text);
		}
		words[placed++] = word;
	}
	judge_word_order(history, epoch, name, words, placed);
	free(words);
}

/* ----------------------------------------------------------------- the end */

static void
violation(struct history *history, const struct history_epoch *epoch,
    const char *what, const char *how)
{
	char path[PATH_MAX + 32];
	FILE *out;

	snprintf(path, sizeof(path), "%s/" TORTURE_VIOLATION,
	    history->torture->stage.dir);
	out = fopen(path, "we");
	if (out != NULL) {
		fprintf(out, "%s\n%s\n\nIts operations are those of "
		    TORTURE_HISTORY " on torture:%" PRIu64 ":%" PRIu64
		    ":...\n", what, how, history->torture->seed,
		    epoch->number);
		fclose(out);
	}
	lab_fail(history->lab, "%s: %.*s", what, (int)strcspn(how, "\n"),
	    how);
}
