/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic of quorums, as tables.  Servers are written as letters: v a
 * voter, o a voter of the old half of a joint configuration only, b one of
 * both halves, l a learner; their ids are 1, 2, ... in that order.
 */
#include <string.h>

#include "raft/quorum.h"
#include "tests/base/check_run.h"

static struct raft_configuration
make(const char *servers)
{
	struct raft_configuration c = { .count = 0 };

	for (; *servers != '\0'; servers++) {
		c.servers[c.count] = (struct raft_server){
			.id = c.count + 1,
			.suffrage = *servers == 'v' ? RAFT_VOTER :
			    *servers == 'o' ? RAFT_VOTER_OLD :
			    *servers == 'b' ? RAFT_VOTER | RAFT_VOTER_OLD :
			    RAFT_LEARNER,
		};
		c.count++;
	}
	return c;
}

/* votes: y granted, n refused, . no answer, one for each server */
static const struct {
	const char *servers;
	const char *votes;
	enum quorum_verdict verdict;
} votes[] = {
	{ "v", ".", QUORUM_PENDING },
	{ "v", "y", QUORUM_WON },
	{ "v", "n", QUORUM_LOST },
	{ "vv", "y.", QUORUM_PENDING },
	{ "vv", "yy", QUORUM_WON },
	{ "vv", "yn", QUORUM_LOST },
	{ "vv", "n.", QUORUM_LOST },
	{ "vvv", "y..", QUORUM_PENDING },
	{ "vvv", "yy.", QUORUM_WON },
	{ "vvv", "yn.", QUORUM_PENDING },
	{ "vvv", "nn.", QUORUM_LOST },
	{ "vvv", "ynn", QUORUM_LOST },
	{ "vvvv", "yy..", QUORUM_PENDING },
	{ "vvvv", "yyy.", QUORUM_WON },
	{ "vvvv", "nn..", QUORUM_LOST },
	{ "vvvv", "yynn", QUORUM_LOST },
	{ "vvvvv", "yy...", QUORUM_PENDING },
	{ "vvvvv", "yyy..", QUORUM_WON },
	{ "vvvvv", "yynn.", QUORUM_PENDING },
	{ "vvvvv", "nnn..", QUORUM_LOST },
	{ "vvvvvvv", "yyy....", QUORUM_PENDING },
	{ "vvvvvvv", "yyyy...", QUORUM_WON },
	{ "vvvvvvv", "nnnn...", QUORUM_LOST },
	/* learners do not count, whatever they say */
	{ "vvvl", "y..y", QUORUM_PENDING },
	{ "vvvl", "yy.n", QUORUM_WON },
	{ "vl", ".y", QUORUM_PENDING },
	{ "l", "y", QUORUM_LOST },
	{ "ll", "yy", QUORUM_LOST },
	{ "", "", QUORUM_LOST },
	/* joint: both halves */
	{ "bbb", "yy.", QUORUM_WON },
	{ "bbb", "nn.", QUORUM_LOST },
	{ "oovv", "yy..", QUORUM_PENDING },
	{ "oovv", "..yy", QUORUM_PENDING },
	{ "oovv", "yyyy", QUORUM_WON },
	{ "oovv", "yyn.", QUORUM_LOST },
	{ "oovv", "n.yy", QUORUM_LOST },
	{ "bbbvv", "yy...", QUORUM_PENDING },
	{ "bbbvv", "yy.y.", QUORUM_WON },
	{ "bbbvv", "..yyy", QUORUM_PENDING },
	{ "bbbvv", ".yyyy", QUORUM_WON },
	{ "bbbvv", "nn.yy", QUORUM_LOST },
	{ "booo", "yyy.", QUORUM_WON },
	{ "booo", ".yyy", QUORUM_PENDING },
	{ "booo", "nyyy", QUORUM_LOST },
	/* only an old half: the new one has no voter and never agrees */
	{ "ooo", "yyy", QUORUM_LOST },
};

START_TEST(vote)
{
	struct raft_configuration c = make(votes[_i].servers);
	struct quorum_set yes = { .count = 0 }, no = { .count = 0 };
	uint32_t i;

	ck_assert_uint_eq(strlen(votes[_i].votes), c.count);
	for (i = 0; i < c.count; i++) {
		if (votes[_i].votes[i] == 'y') {
			quorum_set_add(&yes, i + 1);
		} else if (votes[_i].votes[i] == 'n') {
			quorum_set_add(&no, i + 1);
		}
	}
	ck_assert_msg(quorum_vote(&c, &yes, &no) == votes[_i].verdict,
	    "%s %s", votes[_i].servers, votes[_i].votes);
}
END_TEST

static const struct {
	const char *servers;
	uint64_t values[RAFT_SERVERS_MAX];
	uint64_t reached;
} reached[] = {
	{ "v", { 7 }, 7 },
	{ "vv", { 7, 3 }, 3 },
	{ "vv", { 3, 7 }, 3 },
	{ "vvv", { 7, 3, 5 }, 5 },
	{ "vvv", { 0, 0, 9 }, 0 },
	{ "vvv", { 9, 9, 0 }, 9 },
	{ "vvvv", { 1, 2, 3, 4 }, 2 },
	{ "vvvv", { 4, 4, 1, 1 }, 1 },
	{ "vvvvv", { 5, 1, 4, 2, 3 }, 3 },
	{ "vvvvv", { 5, 5, 5, 0, 0 }, 5 },
	{ "vvvvvvv", { 1, 2, 3, 4, 5, 6, 7 }, 4 },
	{ "vvvvvvvv", { 1, 2, 3, 4, 5, 6, 7, 8 }, 4 },
	{ "vvvl", { 1, 2, 3, 100 }, 2 },
	{ "lvlvlv", { 100, 1, 100, 2, 100, 3 }, 2 },
	{ "l", { 100 }, 0 },
	{ "", { 0 }, 0 },
	/* joint: the smaller of both halves */
	{ "bbb", { 7, 3, 5 }, 5 },
	{ "ooovvv", { 9, 9, 0, 4, 4, 0 }, 4 },
	{ "ooovvv", { 4, 4, 0, 9, 9, 0 }, 4 },
	{ "bbbvv", { 6, 6, 0, 0, 0 }, 0 },
	{ "bbbvv", { 6, 6, 0, 5, 0 }, 5 },
	{ "bvvooo", { 8, 7, 6, 2, 3, 4 }, 3 },
};

START_TEST(index_reached)
{
	struct raft_configuration c = make(reached[_i].servers);

	ck_assert_msg(quorum_reached(&c, reached[_i].values) ==
	    reached[_i].reached, "%s", reached[_i].servers);
}
END_TEST

/*
 * Against the definition: the largest value such that the servers at or above
 * it would win a vote.
 */
START_TEST(index_is_a_vote)
{
	static const char *const shapes[] = {
		"v", "vv", "vvv", "vvvv", "vvvvv", "bbb", "bbbv", "obv",
		"oobvv", "bbl", "vlv", "ooobbvvv",
	};
	struct raft_configuration c = make(shapes[_i]);
	struct quorum_set yes, no = { .count = 0 };
	uint64_t values[RAFT_SERVERS_MAX], best, v, n, left;
	uint32_t i;

	for (n = 0; n < 1u << 2 * c.count; n++) {
		left = n;
		for (i = 0; i < c.count; i++) {
			values[i] = left % 4;
			left /= 4;
		}
		best = 0;
		for (v = 1; v < 4; v++) {
			quorum_set_clear(&yes);
			for (i = 0; i < c.count; i++) {
				if (values[i] >= v) {
					quorum_set_add(&yes, i + 1);
				}
			}
			if (quorum_vote(&c, &yes, &no) == QUORUM_WON) {
				best = v;
			}
		}
		ck_assert_uint_eq(quorum_reached(&c, values), best);
	}
}
END_TEST

START_TEST(set)
{
	struct quorum_set s;
	uint32_t id;

	quorum_set_clear(&s);
	ck_assert(!quorum_set_has(&s, 3));
	quorum_set_add(&s, 3);
	quorum_set_add(&s, 3);
	ck_assert_uint_eq(s.count, 1);
	ck_assert(quorum_set_has(&s, 3));
	for (id = 10; id < 10 + 2 * RAFT_SERVERS_MAX; id++) {
		quorum_set_add(&s, id);
	}
	ck_assert_uint_eq(s.count, RAFT_SERVERS_MAX);
	quorum_set_clear(&s);
	ck_assert(!quorum_set_has(&s, 3));
}
END_TEST

START_TEST(sizes)
{
	struct raft_configuration c;

	c = make("vvvvv");
	ck_assert_uint_eq(quorum_size(&c), 3);
	ck_assert(!quorum_is_joint(&c));
	c = make("vvvvl");
	ck_assert_uint_eq(quorum_size(&c), 3);
	ck_assert(quorum_is_voter(&c, 4, 0));
	ck_assert(!quorum_is_voter(&c, 5, 0));
	ck_assert(!quorum_is_voter(&c, 6, 0));
	ck_assert_ptr_null(quorum_server(&c, 6));
	ck_assert_uint_eq(quorum_server(&c, 5)->id, 5);
	c = make("oovl");
	ck_assert_uint_eq(quorum_size(&c), 1);
	ck_assert(quorum_is_joint(&c));
	ck_assert(quorum_is_voter(&c, 1, 0));
	c = make("l");
	ck_assert_uint_eq(quorum_size(&c), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quorum");
	TCase *tc = tcase_create("quorum");

	tcase_add_loop_test(tc, vote, 0, (int)COUNT_OF(votes));
	tcase_add_loop_test(tc, index_reached, 0, (int)COUNT_OF(reached));
	tcase_add_loop_test(tc, index_is_a_vote, 0, 12);
	tcase_add_test(tc, set);
	tcase_add_test(tc, sizes);
	suite_add_tcase(s, tc);
	return check_run(s);
}
