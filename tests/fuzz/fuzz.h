/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fuzz target is a function that takes any bytes and must not fall over:
 * one a file, linked with libFuzzer (--with-fuzzer) or with driver.c, which
 * runs files.  What a target holds against the code it says with must().
 *
 * Checksums hide code from a fuzzer.  Targets therefore take a few bits of
 * the input as orders to put right checksums over hostile contents.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's face; returns 0. */
int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define must(condition) \
	((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

static inline void __attribute__((noreturn))
fuzz_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: must be: %s\n", file, line, what);
	abort();
}

/* The input, taken from the front; past its end there are zeros. */
struct bytes_in {
	const uint8_t *at;
	size_t left;
};

static inline uint64_t
take(struct bytes_in *in, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && in->left > 0; i++) {
		value |= (uint64_t)*in->at++ << (8 * i);
		in->left--;
	}
	return value;
}

/* The next bytes themselves; *size shrinks to what is left. */
static inline const uint8_t *
take_bytes(struct bytes_in *in, size_t *size)
{
	const uint8_t *at = in->at;

	if (*size > in->left) {
		*size = in->left;
	}
	in->at += *size;
	in->left -= *size;
	return at;
}

/* Reads every byte: a sanitizer sees what may not be read. */
static inline void
touch(const void *data, size_t size)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++) {
		sum ^= ((const uint8_t *)data)[i];
	}
	__asm__ volatile("" : : "r"(sum));
}

/* A copy that ends where its memory ends.  The caller frees it. */
static inline uint8_t *
exact_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	if (size > 0) {
		memcpy(copy, data, size);
	}
	return copy;
}

#endif
