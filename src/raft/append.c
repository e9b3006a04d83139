/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every change of the log, of the hard state and of the commit index; and
 * what a follower does with its leader's messages.
 *
 * All changes of one step are one persist.  A reply waits (after_seq) for
 * what it tells: an acknowledgement for the log, everything else for the
 * term.  Nothing at or below the commit index is ever truncated (T35).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "raft/core.h"

static const char *malformed(const struct raft_message *);
static bool previous_matches(struct raft *, const struct raft_message *,
	    bool *);
static bool first_new(struct raft *, const struct raft_message *,
	    uint32_t *);
static uint32_t end_of_room(struct raft *, const struct raft_message *,
	    uint32_t);
static bool take_entries(struct raft *, const struct raft_message *,
	    uint32_t, uint32_t);
static void refuse(struct raft *, const struct raft_message *);

uint64_t
persist_begin(struct raft *r)
{
	if (r->update->persist_seq == 0) {
		r->update->persist_seq = ++r->persist_seq;
	}
	return r->update->persist_seq;
}

void
persist_hard_state(struct raft *r, uint64_t term, uint32_t vote)
{
	assert(term > r->hard.term ||
	    (term == r->hard.term && r->hard.vote == 0));
	r->hard.term = term;
	r->hard.vote = vote;
	r->hard_seq = persist_begin(r);
	r->update->hard_state_changed = true;
}

uint64_t
persist_after(const struct raft *r, uint64_t seq)
{
	return seq > r->durable_seq ? seq : 0;
}

void
append_own(struct raft *r, struct raft_entry *entries, uint32_t count)
{
	uint32_t i;

	assert(r->role == RAFT_LEADER && r->update->entries == NULL);
	r->log_seq = persist_begin(r);
	for (i = 0; i < count; i++) {
		history_append(&r->log, r->hard.term, entries[i].size);
		entries[i].index = r->log.last_index;
		entries[i].term = r->hard.term;
	}
	r->update->entries = entries;
	r->update->entry_count = count;
}

void
append_propose(struct raft *r, struct raft_entry *entries, uint32_t count)
{
	struct raft_update *u = r->update;
	uint64_t bytes = 0, uncommitted = append_uncommitted(r);
	uint32_t i;

	for (i = 0; i < count; i++) {
		if ((entries[i].type != RAFT_ENTRY_COMMAND &&
		    entries[i].type != RAFT_ENTRY_NOOP) ||
		    entries[i].size > RAFT_ENTRY_SIZE_MAX) {
			raft_latch(r, "proposed entry of type %d and %" PRIu32
			    " bytes", (int)entries[i].type, entries[i].size);
			return;
		}
		bytes += entries[i].size;
	}
	if (r->role != RAFT_LEADER) {
		u->result = ERR_NOT_APPLIED;
	} else if (r->transfer_to != 0) {
		u->result = ERR_BUSY;
		u->why = "the leadership is being transferred";
	} else if (r->room != RAFT_ROOM_OK) {
		u->result = ERR_FULL;
	} else if (r->log.last_index - r->commit_index + count >
	    RAFT_WINDOW || (uncommitted > 0 &&
	    uncommitted + bytes > r->config.uncommitted_bytes_max)) {
		u->result = ERR_BUSY;
	} else if (count > 0) {
		append_own(r, entries, count);
	}
}

/* The persist that log_seq names takes away the entries from this one on. */
void
append_cut(struct raft *r, uint64_t from)
{
	if (r->durable_seq >= r->cut_seq || from < r->cut_from) {
		r->cut_from = from;
	}
	r->cut_seq = r->log_seq;
}

/*
 * The log is durable up to the reported entry if it is still in the log: an
 * index alone could have been overwritten since (T41).  Nor is index and term
 * enough: a later leader may have brought back what one between had cut, and
 * its second write is not done when the first one is.  What was not cut is.
 */
void
append_persisted(struct raft *r, uint64_t seq, uint64_t last_index,
    uint64_t last_term)
{
	bool known;

	if (seq > r->persist_seq) {
		raft_latch(r, "persist %" PRIu64 " is reported durable, the "
		    "last one given out was %" PRIu64, seq, r->persist_seq);
		return;
	}
	if (seq <= r->durable_seq) {
		return;
	}
	r->durable_seq = seq;
	if (seq < r->cut_seq && last_index >= r->cut_from) {
		last_index = r->cut_from - 1;
		known = last_index <= r->log.last_index;
	} else {
		known = history_has(&r->log, last_index, last_term);
	}
	if (known && last_index > r->durable_index) {
		r->durable_index = last_index;
	}
	elect_count(r);
	if (r->role == RAFT_LEADER) {
		replicate_commit(r);
	}
}

void
append_commit(struct raft *r, uint64_t index)
{
	if (index <= r->commit_index) {
		return;			/* T34 */
	}
	assert(index <= r->log.last_index);
	r->commit_index = index;
	TELL(r, RAFT_TELL_COMMIT, "Node %" PRIu32 " commits up to %" PRIu64,
	    r->config.id, index);
}

uint64_t
append_uncommitted(const struct raft *r)
{
	return history_bytes(&r->log, r->commit_index + 1,
	    r->log.last_index);
}

void
append_recv_heartbeat(struct raft *r, const struct raft_message *m)
{
	struct raft_message *reply;

	if (!append_follow(r, m)) {
		return;
	}
	if (m->commit > r->log.last_index) {
		/* It says what this very run has acknowledged. */
		raft_latch(r, "the leader has committed entry %" PRIu64 " with "
		    "this node's help, but the log ends at %" PRIu64,
		    m->commit, r->log.last_index);
		return;
	}
	append_commit(r, m->commit);
	reply = message_reply(r, m);
	reply->lease_end_ns = lease_promise(r, m);
	reply->after_seq = persist_after(r, r->hard_seq);
	narrate_sent(r, reply);
}

/* Paper, Figure 2: "AppendEntries RPC, Receiver implementation". */
void
append_recv(struct raft *r, const struct raft_message *m)
{
	const char *why = malformed(m);
	struct raft_message *reply;
	uint64_t last, seq;
	uint32_t i, end;
	bool matches;

	if (why != NULL) {
		r->dropped++;
		TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " drops AppendEntries "
		    "from Node %" PRIu32 ": %s", r->config.id, m->from, why);
		return;
	}
	if (!append_follow(r, m) || !previous_matches(r, m, &matches)) {
		return;
	}
	if (!matches) {
		refuse(r, m);
		return;
	}
	if (!first_new(r, m, &i)) {
		return;
	}
	end = i < m->entry_count ? end_of_room(r, m, i) : i;
	if (i < end && !take_entries(r, m, i, end)) {
		return;
	}
	if (i < m->entry_count && i == end) {
		return;
	}
	last = m->index + end;
	/*
	 * Only what this message has shown to agree with the leader's log is
	 * known to be committed, and acknowledged: not our last index (T33).
	 */
	append_commit(r, m->commit < last ? m->commit : last);
	reply = message_reply(r, m);
	reply->index = last;
	seq = r->hard_seq;
	if (last > r->durable_index && r->log_seq > seq) {
		seq = r->log_seq;
	}
	reply->after_seq = persist_after(r, seq);
	narrate_sent(r, reply);
}

/* Foreign bytes: NULL, or what is wrong with them (T43). */
static const char *
malformed(const struct raft_message *m)
{
	struct raft_configuration c;
	const struct raft_entry *e;
	uint64_t term = m->log_term;
	uint32_t i;

	if (m->index > UINT64_MAX - m->entry_count - 1) {
		return "its index is out of range";
	}
	if (m->entry_count > 0 && m->entries == NULL) {
		return "it has no entries";
	}
	if ((m->index == 0) != (m->log_term == 0)) {
		return "its previous entry has no term";
	}
	for (i = 0; i < m->entry_count; i++) {
		e = &m->entries[i];
		if (e->index != m->index + 1 + i) {
			return "its entries are not contiguous";
		}
		if (e->term < term || e->term == 0 || e->term > m->term) {
			return "its terms do not rise";
		}
		term = e->term;
		if (e->type < RAFT_ENTRY_NOOP ||
		    e->type > RAFT_ENTRY_CONFIGURATION ||
		    e->size > RAFT_ENTRY_SIZE_MAX) {
			return "an entry has an unknown type or size";
		}
		if (e->type == RAFT_ENTRY_CONFIGURATION &&
		    raft_configuration_decode(&c, e->data, e->size) !=
		    ERR_OK) {
			return "a configuration is damaged";
		}
	}
	return term > m->term ? "its terms do not rise" : NULL;
}

/* The sender leads in its term, which is not lower than ours. */
bool
append_follow(struct raft *r, const struct raft_message *m)
{
	char reason[80];
	bool same = r->leader == m->from && r->leader_run == m->from_run;

	if (m->term == r->hard.term && r->leader != 0 && !same) {
		raft_latch(r, "two leaders in term %" PRIu64 ": Node %" PRIu32
		    " (run %" PRIu64 ") and Node %" PRIu32 " (run %" PRIu64
		    ")", m->term, r->leader, r->leader_run, m->from,
		    m->from_run);
		return false;
	}
	if (m->term > r->hard.term || !same) {
		snprintf(reason, sizeof(reason), "Node %" PRIu32 " leads it",
		    m->from);
		become_follower(r, m->term, m->from, m->from_run, reason);
	}
	/* What a dead run had sent is true, and is no sign of life. */
	if (!sighting_is_dead(r, m->from, m->from_run)) {
		r->leader_contact_ns = r->now_ns;
		r->removed = false;
		elect_timer_reset(r);
	}
	return true;
}

/*
 * False: latched.  Up to the commit index logs agree with every later
 * leader's (leader completeness), so an unknown term there is no doubt, and
 * another one is the end.
 */
static bool
previous_matches(struct raft *r, const struct raft_message *m, bool *matches)
{
	uint64_t term = history_term(&r->log, m->index);

	*matches = history_has(&r->log, m->index, m->log_term);
	if (*matches || m->index > r->commit_index) {
		return true;
	}
	if (term != 0) {
		raft_latch(r, "committed entry %" PRIu64 " has term %" PRIu64
		    " here and %" PRIu64 " at the leader, Node %" PRIu32,
		    m->index, term, m->log_term, m->from);
		return false;
	}
	*matches = true;
	return true;
}

/*
 * Finds the first entry of the message that is not in the log; truncates the
 * log there when another one is in its place, and only then (T31).  False:
 * latched, or no room for what would follow.
 */
static bool
first_new(struct raft *r, const struct raft_message *m, uint32_t *first)
{
	const struct raft_entry *e;
	uint64_t term;
	uint32_t i;

	for (i = 0; i < m->entry_count; i++) {
		e = &m->entries[i];
		if (e->index > r->log.last_index) {
			break;
		}
		term = history_term(&r->log, e->index);
		if (term == e->term ||
		    (term == 0 && e->index <= r->commit_index)) {
			continue;
		}
		if (e->index <= r->commit_index) {
			raft_latch(r, "committed entry %" PRIu64 " has term %"
			    PRIu64 " here and %" PRIu64 " at the leader, Node "
			    "%" PRIu32, e->index, term, e->term, m->from);
			return false;
		}
		break;
	}
	*first = i;
	return true;
}

/*
 * The end of the entries from `first` on that can be taken without forgetting
 * a configuration that may come back into force; `first`: none.  What is
 * taken is committed next, and makes room for the rest.
 */
static uint32_t
end_of_room(struct raft *r, const struct raft_message *m, uint32_t first)
{
	const struct raft_configuration *c = configuration_committed(r);
	uint32_t i, room;

	if (r->room == RAFT_ROOM_NONE) {
		return first;
	}
	/* those that stay: not the ones that a conflict is about to cut */
	room = CONFIGURATIONS_MAX - 1;
	while (c < configuration(r) &&
	    (++c)->index < m->entries[first].index) {
		room--;
	}
	for (i = first; i < m->entry_count; i++) {
		if (m->entries[i].type != RAFT_ENTRY_CONFIGURATION) {
			continue;
		}
		if (room == 0) {
			r->dropped++;
			TELL(r, RAFT_TELL_CONFIGURATION, "Node %" PRIu32
			    " has too many uncommitted configurations -> "
			    "entries from %" PRIu64 " on are dropped",
			    r->config.id, m->entries[i].index);
			break;
		}
		room--;
	}
	return i;
}

/* Appends the entries first ... end - 1; false: latched. */
static bool
take_entries(struct raft *r, const struct raft_message *m, uint32_t first,
    uint32_t end)
{
	uint64_t from = m->entries[first].index;
	uint32_t i;

	r->log_seq = persist_begin(r);
	if (from <= r->log.last_index) {
		TELL(r, RAFT_TELL_LOG, "entry %" PRIu64 " has term %" PRIu64
		    " at the leader and %" PRIu64 " here -> Node %" PRIu32
		    " truncates %" PRIu64 "-%" PRIu64, from,
		    m->entries[first].term, history_term(&r->log, from),
		    r->config.id, from, r->log.last_index);
		history_truncate(&r->log, from);
		configuration_truncate(r, from);
		r->update->truncate_from = from;
		append_cut(r, from);
		if (r->durable_index >= from) {
			r->durable_index = from - 1;
		}
	}
	for (i = first; i < end; i++) {
		history_append(&r->log, m->entries[i].term,
		    m->entries[i].size);
		if (m->entries[i].type == RAFT_ENTRY_CONFIGURATION &&
		    configuration_append(r, &m->entries[i]) != ERR_OK) {
			raft_latch(r, "configuration of entry %" PRIu64
			    " was good and is not", m->entries[i].index);
			return false;
		}
	}
	r->update->entries = &m->entries[first];
	r->update->entry_count = end - first;
	return true;
}

/*
 * Not only "no": also the largest index up to there at which our log could
 * agree with a log that has log_term at m->index.
 */
static void
refuse(struct raft *r, const struct raft_message *m)
{
	struct raft_message *reply;
	uint64_t index = m->index < r->log.last_index ?
	    m->index : r->log.last_index;

	index = history_find(&r->log, index, m->log_term);
	reply = message_reply(r, m);
	reply->reject = true;
	reply->index = m->index;
	reply->hint_index = index;
	reply->hint_term = history_term(&r->log, index);
	reply->after_seq = persist_after(r, r->hard_seq);
	narrate_sent(r, reply);
}
