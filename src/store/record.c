/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records to bytes and back.  What is read is foreign until its checksum has
 * been compared; a checker returns NULL or a few words that complete "entry
 * 7: ...".
 */
#include "store/store_internal.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"

uint32_t
record_chain(uint32_t previous, uint64_t index, uint64_t term, uint32_t type,
    uint32_t data_checksum)
{
	struct layout_link link = {
		.index = index,
		.term = term,
		.type = type,
		.data_checksum = data_checksum,
	};

	return crc32c(previous, &link, sizeof(link));
}

static uint32_t
entry_checksum(uint64_t index, const struct layout_entry *header)
{
	struct {
		uint64_t index;
		uint8_t header[offsetof(struct layout_entry, zero)];
	} words = { .index = index };

	/* One piece, of whole words. */
	static_assert(sizeof(words) == 32, "layout");
	memcpy(words.header, header, sizeof(words.header));
	return crc32c(0, &words, sizeof(words));
}

void
record_encode_entry(
    struct layout_entry *header, const struct raft_entry *entry, uint32_t chain)
{
	header->term = entry->term;
	header->type = entry->type;
	header->size = entry->size;
	header->data_checksum = entry->checksum;
	header->chain = chain;
	header->zero = 0;
	header->checksum = entry_checksum(entry->index, header);
}

uint32_t
record_block_checksum(uint64_t first_index, const struct layout_block *block)
{
	uint32_t crc = crc32c(0, &first_index, sizeof(first_index));

	return crc32c(crc, block, offsetof(struct layout_block, checksum));
}

const char *
record_check_entry(uint64_t index, const MDB_val *value,
    struct layout_entry *header, bool check_data)
{
	const char *why = record_check_first(index, value, header, check_data);

	return why == NULL && header->size != value->mv_size - sizeof(*header)
	           ? "the data has another size than the record says"
	           : why;
}

const char *
record_check_first(uint64_t index, const MDB_val *value,
    struct layout_entry *header, bool check_data)
{
	const uint8_t *data;

	if (value->mv_size < sizeof(*header)) {
		return "the record is too short";
	}
	memcpy(header, value->mv_data, sizeof(*header));
	if (header->checksum != entry_checksum(index, header) ||
	    header->zero != 0) {
		return "the record does not match its checksum";
	}
	if (header->size > value->mv_size - sizeof(*header)) {
		return "the data has another size than the record says";
	}
	if (check_data) {
		data = (const uint8_t *)value->mv_data + sizeof(*header);
		if (raft_entry_checksum((enum raft_entry_type)header->type,
			data, header->size) != header->data_checksum) {
			return "the data does not match its checksum";
		}
	}
	return NULL;
}

static uint32_t
run_checksum(uint64_t first_index, const struct layout_term_run *run)
{
	uint32_t crc = crc32c(0, &first_index, sizeof(first_index));

	return crc32c(crc, run, offsetof(struct layout_term_run, checksum));
}

void
record_encode_run(
    struct layout_term_run *run, uint64_t first_index, uint64_t term)
{
	run->term = term;
	run->zero = 0;
	run->checksum = run_checksum(first_index, run);
}

const char *
record_check_run(uint64_t first_index, const MDB_val *value, uint64_t *term)
{
	struct layout_term_run run;

	if (value->mv_size != sizeof(run)) {
		return "the record has another size";
	}
	memcpy(&run, value->mv_data, sizeof(run));
	if (run.checksum != run_checksum(first_index, &run)) {
		return "the record does not match its checksum";
	}
	*term = run.term;
	return NULL;
}

static uint32_t
config_checksum(uint64_t index, uint32_t size, const void *data)
{
	uint32_t crc = crc32c(0, &index, sizeof(index));

	crc = crc32c(crc, &size, sizeof(size));
	return crc32c(crc, data, size);
}

size_t
record_encode_config(
    uint8_t *buffer, uint64_t index, const void *data, uint32_t size)
{
	struct layout_config config = {
		.size = size,
		.checksum = config_checksum(index, size, data),
	};

	assert(size <= RAFT_CONFIGURATION_SIZE_MAX);
	memcpy(buffer, &config, sizeof(config));
	memcpy(buffer + sizeof(config), data, size);
	return sizeof(config) + size;
}

const char *
record_check_config(uint64_t index, const MDB_val *value,
    struct raft_configuration *configuration)
{
	struct layout_config config;
	const uint8_t *data;

	if (value->mv_size < sizeof(config)) {
		return "the record is too short";
	}
	memcpy(&config, value->mv_data, sizeof(config));
	data = (const uint8_t *)value->mv_data + sizeof(config);
	if (config.size != value->mv_size - sizeof(config) ||
	    config.checksum != config_checksum(index, config.size, data)) {
		return "the record does not match its checksum";
	}
	if (raft_configuration_decode(configuration, data, config.size) !=
	    ERR_OK) {
		return "not a configuration";
	}
	configuration->index = index;
	return NULL;
}

static uint32_t
seal(const char *name, const void *record, size_t size)
{
	uint32_t crc = crc32c(0, name, strlen(name));

	return crc32c(crc, record, size - sizeof(uint32_t));
}

void
record_seal(const char *name, void *record, size_t size)
{
	uint32_t checksum = seal(name, record, size);

	memcpy((uint8_t *)record + size - sizeof(checksum), &checksum,
	    sizeof(checksum));
}

bool
record_is_sealed(const char *name, const void *record, size_t size)
{
	uint32_t checksum;

	memcpy(&checksum, (const uint8_t *)record + size - sizeof(checksum),
	    sizeof(checksum));
	return checksum == seal(name, record, size);
}

uint32_t
record_value_checksum(
    enum kv_space space, struct kv_slice key, const void *value, size_t size)
{
	uint32_t head[2] = { (uint32_t)space, (uint32_t)key.size };
	uint32_t crc = crc32c(0, head, sizeof(head));

	crc = crc32c(crc, key.data, key.size);
	return crc32c(crc, value, size);
}
