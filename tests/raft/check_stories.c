/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden scripts of the core alone, on the cluster of tests/raft/harness.h:
 * members, transfers, snapshots.
 *
 *	check_stories [FILE...]		default: tests/raft/stories/ *.txt
 *
 * A script is blocks, separated by an empty line.  A block is verbs, one a
 * line, then `----`, then the story that they made: what the cores told, with
 * the time in milliseconds and the node before it; lines of the runner itself
 * begin with `=`.  Lines that begin with `#` are comments.  With UPDATE=1 in
 * the environment the stories are written anew: then read them.
 *
 *	nodes N			a cluster of N nodes, none started
 *	voters N		before start: only the first N are members
 *	log ID TERMS		before start: its log, entry by entry
 *	term ID TERM [VOTE]	before start: its hard state
 *	entries N		before start: an append carries at most N
 *	start [IDS] ; crash IDS ; pause IDS ; resume IDS
 *	dead ID [MS]		everyone learns that its run is dead; the
 *				survivors stand for election MS apart
 *	timeout IDS		an operator fires their timers
 *	expire IDS		their timers run out by themselves
 *	cut FROM TO ; join FROM TO	one direction of a link
 *	isolate ID ; heal	all links of a node; all links
 *	stick ID ; unstick ID	its disk writes nothing; it does again
 *	run MS ; elect ; settle	elect: until a leader can serve
 *	propose ID [COUNT] ; read ID NUMBER
 *	change ID KIND NODE ...	asks node ID; KIND: add, learner, voter,
 *				remove, replace; several at once
 *	transfer ID [TO]	asks node ID to hand over
 *	chunk N ; trailing N ; inflight N	before start: bytes of a chunk
 *				of a snapshot; entries kept before one;
 *				messages under way to a peer
 *	checkpoint ID		takes a snapshot of what is applied
 *	delay MS		of each message, from now on
 *	logs			where each log begins and ends
 *	wipe ID			it is down, and loses its store
 *	members			the configuration of each node
 *	rpc on|off		tell every message as well
 *	status			a line for each node
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/raft/harness.h"

#define WORDS_MAX	70

struct script {
	const char *name;
	uint32_t line;
	struct cluster *cluster;
	size_t told;			/* of the story: already written */
};

struct text {
	char *bytes;
	size_t size;
};

static void
text_add(struct text *t, const char *bytes, size_t size)
{
	t->bytes = mem_realloc(t->bytes, t->size + size + 1);
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
	t->bytes[t->size] = '\0';
}

static void NORETURN
bad(const struct script *s, const char *what)
{
	fprintf(stderr, "%s:%" PRIu32 ": %s\n", s->name, s->line, what);
	exit(99);
}

static uint64_t
number(const struct script *s, const char *word)
{
	char *end;
	uint64_t n = strtoull(word, &end, 10);

	if (end == word || *end != '\0') {
		bad(s, "not a number");
	}
	return n;
}

static struct mem_node *
node(const struct script *s, const char *word)
{
	uint64_t id = strcmp(word, "leader") == 0 ?
	    cluster_leader(s->cluster) : number(s, word);

	if (id < 1 || id > s->cluster->node_count) {
		bad(s, "no such node");
	}
	return cluster_node(s->cluster, (uint32_t)id);
}

static void
show_status(struct script *s)
{
	struct cluster *c = s->cluster;
	struct raft_status status;
	struct mem_node *n;
	char log[300];
	size_t length;
	uint64_t i;
	uint32_t id;

	for (id = 1; id <= c->node_count; id++) {
		n = cluster_node(c, id);
		if (n->raft == NULL) {
			cluster_story(c, "= %" PRIu32 " down", id);
			continue;
		}
		raft_status(n->raft, &status);
		length = 0;
		log[0] = '\0';
		for (i = 0; i < n->log.count && length < 250; i++) {
			length += (size_t)snprintf(log + length,
			    sizeof(log) - length, " %" PRIu64,
			    n->log.entries[i].term);
		}
		cluster_story(c, "= %" PRIu32 " %s term %" PRIu64 " leader %"
		    PRIu32 " commit %" PRIu64 " log%s", id,
		    raft_role_name(status.role), status.term, status.leader,
		    status.commit_index, log);
	}
}

/* ---------------------------------------------------------------- verbs */

static void
verb_nodes(struct script *s, char **w, int count)
{
	bool rpc = s->cluster != NULL && s->cluster->tell_rpc;

	(void)count;
	if (s->cluster != NULL) {
		cluster_free(s->cluster);
	}
	s->cluster = cluster_new((uint32_t)number(s, w[1]), 1);
	s->cluster->name = s->name;
	s->cluster->story_times = true;
	s->cluster->story_reads = true;
	s->cluster->tell_rpc = rpc;
	s->told = 0;
}

static void
verb_log(struct script *s, char **w, int count)
{
	char terms[400] = "";
	int i;

	for (i = 2; i < count; i++) {
		if (strlen(terms) + strlen(w[i]) + 2 > sizeof(terms)) {
			bad(s, "a log too long");
		}
		strcat(terms, w[i]);
		strcat(terms, " ");
	}
	cluster_set_log(s->cluster, node(s, w[1])->id, terms);
}

static void
verb_term(struct script *s, char **w, int count)
{
	cluster_set_term(s->cluster, node(s, w[1])->id, number(s, w[2]),
	    count > 3 ? (uint32_t)number(s, w[3]) : 0);
}

static void
verb_entries(struct script *s, char **w, int count)
{
	(void)count;
	s->cluster->append_entries_max = (uint32_t)number(s, w[1]);
}

static void
verb_each(struct script *s, char **w, int count)
{
	struct cluster *c = s->cluster;
	struct mem_node *n;
	int i;

	if (strcmp(w[0], "start") == 0 && count == 1) {
		cluster_start_all(c);
	}
	for (i = 1; i < count; i++) {
		n = node(s, w[i]);
		if ((n->raft == NULL) != (strcmp(w[0], "start") == 0)) {
			bad(s, "it is up already, or down");
		}
		if (strcmp(w[0], "start") == 0) {
			cluster_start(c, n->id);
		} else if (strcmp(w[0], "crash") == 0) {
			cluster_crash(c, n->id);
		} else if (strcmp(w[0], "timeout") == 0) {
			cluster_timeout(c, n->id);
		} else if (strcmp(w[0], "expire") == 0) {
			cluster_expire(c, n->id);
		} else {
			n->paused = strcmp(w[0], "pause") == 0;
		}
	}
}

static void
verb_disk(struct script *s, char **w, int count)
{
	(void)count;
	node(s, w[1])->disk_stuck = strcmp(w[0], "stick") == 0;
}

static void
verb_dead(struct script *s, char **w, int count)
{
	cluster_tell_dead(s->cluster, node(s, w[1])->id, MS,
	    (count > 2 ? number(s, w[2]) : 10) * MS);
}

static void
verb_link(struct script *s, char **w, int count)
{
	(void)count;
	cluster_cut(s->cluster, node(s, w[1])->id, node(s, w[2])->id,
	    strcmp(w[0], "cut") == 0);
}

static void
verb_isolate(struct script *s, char **w, int count)
{
	(void)count;
	cluster_isolate(s->cluster, node(s, w[1])->id, true);
}

static void
verb_heal(struct script *s, char **w, int count)
{
	(void)w;
	(void)count;
	cluster_heal(s->cluster);
}

static void
verb_run(struct script *s, char **w, int count)
{
	(void)count;
	cluster_run(s->cluster, number(s, w[1]) * MS);
}

static void
verb_elect(struct script *s, char **w, int count)
{
	(void)w;
	(void)count;
	if (cluster_elect(s->cluster, 10000 * MS) == 0) {
		cluster_story(s->cluster, "= no leader");
	}
}

static void
verb_settle(struct script *s, char **w, int count)
{
	(void)w;
	(void)count;
	cluster_story(s->cluster, cluster_settle(s->cluster, 10000 * MS) ?
	    "= all logs are equal and committed" : "= it does not settle");
}

static void
verb_propose(struct script *s, char **w, int count)
{
	uint64_t i, n = count > 2 ? number(s, w[2]) : 1;
	int result;

	for (i = 0; i < n; i++) {
		result = cluster_propose(s->cluster, node(s, w[1])->id,
		    ++s->cluster->value);
		if (result != ERR_OK) {
			cluster_story(s->cluster, "= propose: %s",
			    err_text(result));
		}
	}
}

static void
verb_read(struct script *s, char **w, int count)
{
	int result;

	(void)count;
	result = cluster_read(s->cluster, node(s, w[1])->id,
	    number(s, w[2]));
	if (result != ERR_OK) {
		cluster_story(s->cluster, "= read %s: %s", w[2],
		    err_text(result));
	}
}

static void
verb_voters(struct script *s, char **w, int count)
{
	(void)count;
	cluster_set_voters(s->cluster, (uint32_t)number(s, w[1]));
}

static void
verb_wipe(struct script *s, char **w, int count)
{
	(void)count;
	cluster_wipe(s->cluster, node(s, w[1])->id);
}

static void
verb_change(struct script *s, char **w, int count)
{
	char changes[200] = "";
	int i;

	for (i = 2; i < count; i++) {
		if (i % 2 == 1) {
			(void)node(s, w[i]);
		}
		if (strlen(changes) + strlen(w[i]) + 2 > sizeof(changes)) {
			bad(s, "a change too long");
		}
		strcat(changes, w[i]);
		strcat(changes, " ");
	}
	(void)cluster_change(s->cluster, node(s, w[1])->id, changes);
}

static void
verb_transfer(struct script *s, char **w, int count)
{
	(void)cluster_transfer(s->cluster, node(s, w[1])->id,
	    count > 2 ? node(s, w[2])->id : 0);
}

static void
verb_members(struct script *s, char **w, int count)
{
	struct cluster *c = s->cluster;
	struct raft_status status;
	struct mem_node *n;
	char text[200];
	uint32_t id;

	(void)w;
	(void)count;
	for (id = 1; id <= c->node_count; id++) {
		n = cluster_node(c, id);
		if (n->raft == NULL) {
			cluster_story(c, "= %" PRIu32 " down", id);
			continue;
		}
		raft_status(n->raft, &status);
		cluster_story(c, "= %" PRIu32 " %s entry %" PRIu64 ": %s%s%s",
		    id, raft_role_name(status.role),
		    status.configuration.index,
		    narrate_configuration(&status.configuration, text,
		    sizeof(text)),
		    status.configuration_committed ? "" : ", not committed",
		    status.removed ? ", taken out" : "");
	}
}

static void
verb_number(struct script *s, char **w, int count)
{
	uint64_t value = number(s, w[1]);

	(void)count;
	if (strcmp(w[0], "chunk") == 0) {
		s->cluster->chunk_bytes = (uint32_t)value;
	} else if (strcmp(w[0], "inflight") == 0) {
		s->cluster->inflight_messages_max = (uint32_t)value;
	} else if (strcmp(w[0], "trailing") == 0) {
		s->cluster->trailing_entries = value;
	} else {
		s->cluster->delay_min_ns = s->cluster->delay_max_ns =
		    value * MS;
	}
}

static void
verb_checkpoint(struct script *s, char **w, int count)
{
	int result = cluster_checkpoint(s->cluster, node(s, w[1])->id);

	(void)count;
	if (result != ERR_OK) {
		cluster_story(s->cluster, "= checkpoint: %s",
		    err_text(result));
	}
}

static void
verb_logs(struct script *s, char **w, int count)
{
	struct cluster *c = s->cluster;
	struct raft_status status;
	struct mem_node *n;
	uint32_t id, i;

	(void)w;
	(void)count;
	for (id = 1; id <= c->node_count; id++) {
		n = cluster_node(c, id);
		if (n->raft == NULL) {
			cluster_story(c, "= %" PRIu32 " down", id);
			continue;
		}
		raft_status(n->raft, &status);
		cluster_story(c, "= %" PRIu32 " %s log %" PRIu64 "-%" PRIu64
		    " commit %" PRIu64 " snapshot %" PRIu64 " of term %"
		    PRIu64, id, raft_role_name(status.role),
		    status.first_index, status.last_index,
		    status.commit_index, status.snapshot_index,
		    status.snapshot_term);
		for (i = 0; i < status.peer_count; i++) {
			if (status.peers[i].installing) {
				cluster_story(c, "=   Node %" PRIu32 " has %"
				    PRIu64 " of %" PRIu64 " bytes",
				    status.peers[i].id,
				    status.peers[i].install_offset,
				    status.peers[i].install_total);
			}
		}
	}
}

static void
verb_rpc(struct script *s, char **w, int count)
{
	uint32_t id;

	(void)count;
	s->cluster->tell_rpc = strcmp(w[1], "on") == 0;
	for (id = 1; id <= s->cluster->node_count; id++) {
		if (cluster_node(s->cluster, id)->raft != NULL) {
			raft_set_tell_rpc(cluster_node(s->cluster, id)->raft,
			    s->cluster->tell_rpc);
		}
	}
}

static void
verb_status(struct script *s, char **w, int count)
{
	(void)w;
	(void)count;
	show_status(s);
}

static const struct {
	const char *name;
	int count_min, count_max;
	void (*run)(struct script *, char **, int);
} verbs[] = {
	{ "nodes", 2, 2, verb_nodes },
	{ "voters", 2, 2, verb_voters },
	{ "log", 2, WORDS_MAX, verb_log },
	{ "term", 3, 4, verb_term },
	{ "entries", 2, 2, verb_entries },
	{ "start", 1, 9, verb_each },
	{ "crash", 2, 9, verb_each },
	{ "pause", 2, 9, verb_each },
	{ "resume", 2, 9, verb_each },
	{ "timeout", 2, 9, verb_each },
	{ "expire", 2, 9, verb_each },
	{ "stick", 2, 2, verb_disk },
	{ "unstick", 2, 2, verb_disk },
	{ "dead", 2, 3, verb_dead },
	{ "cut", 3, 3, verb_link },
	{ "join", 3, 3, verb_link },
	{ "isolate", 2, 2, verb_isolate },
	{ "heal", 1, 1, verb_heal },
	{ "run", 2, 2, verb_run },
	{ "elect", 1, 1, verb_elect },
	{ "settle", 1, 1, verb_settle },
	{ "propose", 2, 3, verb_propose },
	{ "read", 3, 3, verb_read },
	{ "change", 4, 16, verb_change },
	{ "transfer", 2, 3, verb_transfer },
	{ "wipe", 2, 2, verb_wipe },
	{ "chunk", 2, 2, verb_number },
	{ "trailing", 2, 2, verb_number },
	{ "inflight", 2, 2, verb_number },
	{ "delay", 2, 2, verb_number },
	{ "checkpoint", 2, 2, verb_checkpoint },
	{ "logs", 1, 1, verb_logs },
	{ "members", 1, 1, verb_members },
	{ "rpc", 2, 2, verb_rpc },
	{ "status", 1, 1, verb_status },
};

static void
run_line(struct script *s, const char *line, size_t length)
{
	char copy[512], *words[WORDS_MAX + 1], *save = NULL, *word;
	int count = 0;
	size_t i;

	if (length >= sizeof(copy)) {
		bad(s, "a line too long");
	}
	memcpy(copy, line, length);
	copy[length] = '\0';
	for (word = strtok_r(copy, " \t", &save); word != NULL;
	    word = strtok_r(NULL, " \t", &save)) {
		if (count == WORDS_MAX) {
			bad(s, "too many words");
		}
		words[count++] = word;
	}
	if (count == 0) {
		return;
	}
	for (i = 0; i < COUNT_OF(verbs); i++) {
		if (strcmp(words[0], verbs[i].name) != 0) {
			continue;
		}
		if (count < verbs[i].count_min ||
		    count > verbs[i].count_max) {
			bad(s, "too few or too many words");
		}
		if (s->cluster == NULL && verbs[i].run != verb_nodes) {
			bad(s, "there are no nodes yet");
		}
		verbs[i].run(s, words, count);
		return;
	}
	bad(s, "an unknown verb");
}

/* ---------------------------------------------------------------- files */

static void
read_file(const char *path, struct text *t)
{
	char bytes[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(99);
	}
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0) {
		text_add(t, bytes, n);
	}
	fclose(f);
}

static void
write_file(const char *path, const struct text *t)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fwrite(t->bytes, 1, t->size, f) != t->size ||
	    fclose(f) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(99);
	}
}

/* Writes the script again, with the stories as they are now. */
static void
run_script(struct script *s, const struct text *in, struct text *out)
{
	const char *at = in->bytes, *end;
	bool expected = false, open = true;
	size_t length;

	for (; at != NULL && *at != '\0'; at = end + 1) {
		s->line++;
		end = strchr(at, '\n');
		if (end == NULL) {
			bad(s, "the last line has no end");
		}
		length = (size_t)(end - at);
		if (expected && length > 0) {
			continue;		/* the story as it was */
		}
		expected = false;
		text_add(out, at, length + 1);
		if (length == 4 && memcmp(at, "----", 4) == 0) {
			expected = true;
			open = false;
			if (s->cluster != NULL && s->cluster->story != NULL) {
				text_add(out, s->cluster->story + s->told,
				    s->cluster->story_size - s->told);
				s->told = s->cluster->story_size;
			}
		} else if (length > 0 && at[0] != '#') {
			run_line(s, at, length);
			open = true;
		}
	}
	if (open) {
		bad(s, "the last block has no story");
	}
}

static void
show_difference(const struct script *s, const struct text *in,
    const struct text *out)
{
	size_t i = 0, begin = 0;
	uint32_t line = 1;

	while (i < in->size && i < out->size &&
	    in->bytes[i] == out->bytes[i]) {
		if (in->bytes[i++] == '\n') {
			begin = i;
			line++;
		}
	}
	fprintf(stderr, "%s:%" PRIu32 ": another story\n"
	    "  expected: %.*s\n  told:     %.*s\n", s->name, line,
	    (int)strcspn(in->bytes + begin, "\n"), in->bytes + begin,
	    (int)strcspn(out->bytes + begin, "\n"), out->bytes + begin);
}

static bool
check_file(const char *path, bool update)
{
	struct script s = { .name = path };
	struct text in = { .size = 0 }, out = { .size = 0 };
	bool same;

	read_file(path, &in);
	text_add(&in, "", 0);
	text_add(&out, "", 0);
	run_script(&s, &in, &out);
	same = in.size == out.size &&
	    memcmp(in.bytes, out.bytes, in.size) == 0;
	if (!same && update) {
		write_file(path, &out);
		printf("%s: written anew\n", path);
		same = true;
	} else if (!same) {
		show_difference(&s, &in, &out);
	}
	if (s.cluster != NULL) {
		cluster_free(s.cluster);
	}
	free(in.bytes);
	free(out.bytes);
	return same;
}

static int
is_script(const struct dirent *e)
{
	size_t length = strlen(e->d_name);

	return length > 4 && strcmp(e->d_name + length - 4, ".txt") == 0;
}

int
main(int argc, char **argv)
{
	const char *update = getenv("UPDATE"), *root;
	bool rewrite = update != NULL && strcmp(update, "1") == 0;
	struct dirent **found;
	char path[4096];
	int i, count, failed = 0;

	if (argc > 1) {
		for (i = 1; i < argc; i++) {
			failed += check_file(argv[i], rewrite) ? 0 : 1;
		}
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	root = getenv("RAFTSUP_SRCDIR");
	snprintf(path, sizeof(path), "%s/tests/raft/stories",
	    root == NULL ? "." : root);
	count = scandir(path, &found, is_script, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no scripts\n", path);
		return 99;
	}
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/tests/raft/stories/%s",
		    root == NULL ? "." : root, found[i]->d_name);
		failed += check_file(path, rewrite) ? 0 : 1;
		free(found[i]);
	}
	free(found);
	printf("%d scripts, %d failed\n", count, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
