/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events that a set of runs should have seen, each with the name that
 * the summary shows.  One that was never reached is named at the end.
 */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#define SIM_COVERAGE(X)                                                       \
	X(STARTS, "node starts")                                              \
	X(ELECTIONS, "elections won")                                         \
	X(CAMPAIGNS, "campaigns")                                             \
	X(SPLIT_VOTES, "campaigns without a majority")                        \
	X(PRE_VOTES_REFUSED, "pre-votes refused")                             \
	X(VOTES_REFUSED, "votes refused")                                     \
	X(DUPLICATE_VOTES, "duplicated votes dropped")                        \
	X(STEP_DOWNS, "leaders that stepped down")                            \
	X(COMMITS, "entries committed")                                       \
	X(OLD_TERM_COMMITS, "entries of an earlier term committed")           \
	X(TRUNCATIONS, "conflicting suffixes truncated")                      \
	X(DURABLE_TRUNCATIONS, "truncations of durable entries")              \
	X(BACKTRACKS, "conflicts found by backtracking")                      \
	X(REFUSED_APPENDS, "AppendEntries refused")                           \
	X(STALE_APPENDS, "AppendEntries of a former term")                    \
	X(FORMER_RUNS, "messages to or of a former run dropped")              \
	X(OVER, "messages that were over and changed nothing")               \
	X(SHORT_SENDS, "AppendEntries that carried less")                     \
	X(SENT, "messages sent")                                              \
	X(LOST, "messages lost")                                              \
	X(DUPLICATED, "messages duplicated")                                  \
	X(REORDERED, "messages overtaken")                                    \
	X(CUT_SYMMETRIC, "symmetric partitions")                              \
	X(CUT_ASYMMETRIC, "asymmetric partitions")                            \
	X(PAUSES, "pauses")                                                   \
	X(LEADER_PAUSES, "pauses of a leader")                                \
	X(CLOCK_JUMPS, "jumps of the clock")                                  \
	X(CLOCK_STALLS, "stalls of the clock")                                \
	X(CLOCK_RATES, "changes of the clock's rate")                         \
	X(OVERTHROWN, "leaders overthrown after some appends")              \
	X(DEPOSED, "leaders deposed without knowing it")                    \
	X(LATE, "messages that came much later")                            \
	X(SIEGE_PAUSES, "leaders paused between a read and its answer")      \
	X(SIEGE_VOTERS, "voters killed inside a lease")                      \
	X(SIEGE_LEADERS, "leaders killed inside a lease")                    \
	X(SIEGE_CHANGES, "changes of the membership inside a lease")         \
	X(SIEGE_TRANSFERS, "transfers inside a lease")                       \
	X(SIEGE_CLOCKS, "stalls and jumps of the clock inside a lease")      \
	X(SIEGE_ELECTED, "leaders elected inside the lease of another")      \
	X(CHANGES, "changes of the membership")                              \
	X(CHANGES_REFUSED, "changes of the membership refused")              \
	X(CHANGES_COMMITTED, "configurations committed")                     \
	X(CHANGES_ROLLED_BACK, "configurations truncated")                   \
	X(TRANSFERS, "transfers of the leadership")                          \
	X(TRANSFERS_REFUSED, "transfers refused")                            \
	X(TAKE_OVERS, "nodes told to take over")                             \
	X(SNAPSHOTS, "snapshots taken")                                       \
	X(SNAPSHOTS_ASKED, "snapshots asked for by an operator")              \
	X(CUTS, "logs cut behind a snapshot")                                 \
	X(CUTS_HELD, "entries kept for a peer that installs")                 \
	X(VIEWS, "snapshots opened for peers")                                \
	X(CHUNKS_AGAIN, "chunks sent again")                                  \
	X(CHUNKS_NOT_SENT, "chunks that could not be sent")                   \
	X(INSTALLS_BEGUN, "installs begun")                                   \
	X(INSTALLS_RESUMED, "installs resumed")                               \
	X(INSTALLS_ABORTED, "installs given up")                              \
	X(INSTALLS_HANDED, "snapshots complete, handed to the disk")          \
	X(INSTALLS, "followers caught up by a snapshot")                      \
	X(INSTALLS_FIRST, "nodes that began with a snapshot")                 \
	X(TWO_INSTALLS, "installs from one leader at the same time")          \
	X(RECEIVE_DAMAGED, "received snapshots that were damaged")            \
	X(RECEIVE_NO_ROOM, "chunks refused by a full disk")                   \
	X(SENDER_DEPOSED, "leaders deposed while they send a snapshot")       \
	X(LEARNERS_PROMOTED, "learners promoted that began with a snapshot")  \
	X(STORES_RENEWED, "stores replaced by empty ones")                    \
	X(STORES_PROMOTED, "replacements that became voters")                 \
	X(CRASH_SNAPSHOT, "crashes before a checkpoint becomes a snapshot")   \
	X(CRASH_CHUNK_SENT, "crashes before a chunk is sent")                 \
	X(CRASH_SENDING, "crashes while a snapshot is shown to peers")        \
	X(CRASH_RECEIVE, "crashes around a chunk that is written")            \
	X(CRASH_RECEIVING, "crashes while a snapshot arrives")                \
	X(CRASH_INSTALLING, "crashes while one is installed")                 \
	X(CRASH_SWITCH, "crashes when the state is switched over")            \
	X(BOOT_SWITCH, "states that were switched over by a start")           \
	X(CRASHES, "crashes")                                                 \
	X(CRASH_LEADER, "crashes of a leader")                                \
	X(CRASH_ALL, "crashes of all nodes")                                  \
	X(CRASH_MAJORITY, "crashes of all but a minority")                    \
	X(CRASH_IDLE, "crashes between two events")                           \
	X(CRASH_BOOT, "crashes at the start")                                 \
	X(CRASH_BEFORE_PERSIST, "crashes before a persist is handed over")    \
	X(CRASH_AFTER_PERSIST, "crashes between persist and messages")        \
	X(CRASH_MESSAGES, "crashes between two messages")                     \
	X(CRASH_AFTER_MESSAGES, "crashes after the messages of a step")       \
	X(CRASH_WRITE_LOST, "crashes that lost the write under way")          \
	X(CRASH_WRITE_KEPT, "crashes that kept the write under way")          \
	X(CRASH_TORN, "crashes that tore a record of the journal")            \
	X(CRASH_TORN_WHOLE, "crashes that left a record nobody had heard of") \
	X(CRASH_REPLAY, "crashes while a start empties the journal")          \
	X(CRASH_DURABLE, "crashes between durable and known to be")           \
	X(CRASH_RELEASE, "crashes between messages that waited")              \
	X(CRASH_APPLY, "crashes between two applied entries")                 \
	X(CRASH_CHECKPOINT, "crashes around a checkpoint")                    \
	X(CRASH_ANSWER, "crashes between applied and answered")               \
	X(REPLAYS, "entries applied again after a start")                     \
	X(CHECKPOINTS, "checkpoints")                                         \
	X(REWINDS, "state machines taken back by a full disk")                \
	X(DISK_SLOW, "slow disks")                                            \
	X(DISK_FULL, "writes refused by a full disk")                         \
	X(DISK_FAILED, "failed writes, node stopped")                         \
	X(GROUP_COMMITS, "writes of several steps at once")                   \
	X(JOURNAL_RECORDS, "writes that became a record of the journal")      \
	X(JOURNAL_LAPS, "laps of the journal")                                \
	X(JOURNAL_REPLAYS, "starts that found records in the journal")        \
	X(JOURNAL_FULL, "records that a full disk refused")                   \
	X(JOURNAL_DAMAGED, "damaged journals, told from torn ones")           \
	X(JOURNAL_OLD_TABLES, "tables older than their journal, refused")     \
	X(WIPED, "wiped stores refused")                                      \
	X(OLD_STORES, "old copies of a store refused")                        \
	X(TIMEOUTS, "timeouts by an operator")                                \
	X(DEATH_NEWS, "news of a death")                                      \
	X(HANDED_OVER, "leaders that gave up: the disk hangs")                \
	X(OPERATIONS, "operations answered")                                  \
	X(READS, "reads answered")                                            \
	X(READS_REFUSED, "reads refused or given back")                       \
	X(READS_WAITED, "reads that waited for the state machine")            \
	X(LEASE_READS, "reads answered by a lease")                           \
	X(PAGES_LOST, "promises lost, votes withheld")                        \
	X(LEASE_READS_LATE, "reads whose lease was over when they were made") \
	X(BUSY, "proposals refused: busy")                                    \
	X(NO_ROOM, "proposals refused: no room")                              \
	X(NOT_LEADER, "requests to a node that does not lead")                \
	X(OFFICE_LOST, "requests in doubt, the leader stepped down")          \
	X(RETRIES, "requests tried again")                                    \
	X(REPEATED, "repeated sequences answered from the session")           \
	X(OLD_SEQUENCES, "sequences below the lowest open refused")           \
	X(GIVEN_UP, "operations given up, outcome unknown")                   \
	X(SESSIONS, "sessions opened")                                        \
	X(MAJORITY_HEALED, "liveness with a bare majority")                   \
	X(ALL_HEALED, "liveness with all nodes")

#define SIM_COVER_ENUM_(name, text) SIM_COVER_##name,
enum sim_cover { SIM_COVERAGE(SIM_COVER_ENUM_) SIM_COVER_COUNT };
#undef SIM_COVER_ENUM_

extern const char *const sim_cover_texts[SIM_COVER_COUNT];
/* "crash-idle": stable, for programs. */
extern const char *const sim_cover_names[SIM_COVER_COUNT];

#endif
