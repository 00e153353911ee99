// The numbers and texts that the message index stores, and how they are packed: docs/formats/index.md. Internal to the
// index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/index/message_index.h"

namespace minato::index_layout {

// What a posting list is kept for.
enum class KeyKind : char { kControlId = 'C', kPatient = 'P', kEncounter = 'V', kOrder = 'O' };

// Posting lists by value: one integer a (value, message), so that those of 65,536 neighbouring sequences stand together
// and an insertion touches few pages. key := epoch: 20 bits | hash: 27 bits | low: 16 bits; sequence = epoch << 16 |
// low.
inline constexpr unsigned kLowBits = 16;
inline constexpr unsigned kHashBits = 27;
inline constexpr std::uint64_t kSeqMax = (std::uint64_t{1} << 36) - 1;
inline std::uint64_t epoch_of(Seq seq) { return seq.value >> kLowBits; }
inline std::uint64_t low_of(Seq seq) { return seq.value & ((1u << kLowBits) - 1); }
inline std::int64_t key_of(std::uint32_t hash, Seq seq) {
  return static_cast<std::int64_t>(epoch_of(seq) << (kLowBits + kHashBits) | std::uint64_t{hash} << kLowBits |
                                   low_of(seq));
}
inline Seq seq_of_key(std::int64_t key) {
  const auto bits = static_cast<std::uint64_t>(key);
  return Seq{(bits >> (kLowBits + kHashBits)) << kLowBits | (bits & ((1u << kLowBits) - 1))};
}
// FNV-1a over kind and value, finished as MurmurHash3 does. Two values may share one: rows are checked.
std::uint32_t hash_of(KeyKind kind, std::string_view value);

// Posting lists by feed and status. entry := group: 23 bits | sequence: 40 bits; group = feed * 8 + status.
inline constexpr unsigned kSeqBits = 40;
inline std::int64_t group_of(std::int64_t feed, MessageStatus status) {
  return feed * 8 + static_cast<std::int64_t>(status);
}
inline std::int64_t entry_of(std::int64_t group, Seq seq) {
  return group << kSeqBits | static_cast<std::int64_t>(seq.value);
}
inline Seq seq_of_entry(std::int64_t entry) {
  return Seq{static_cast<std::uint64_t>(entry) & ((std::uint64_t{1} << kSeqBits) - 1)};
}

// Instants are kept for each block of 1,024 sequences: the earliest and the latest in it.
inline constexpr unsigned kBlockBits = 10;
inline std::int64_t block_of(Seq seq) { return static_cast<std::int64_t>(seq.value >> kBlockBits); }

// The feed of all that came when kIndexFeedsMax were taken; its names stand in the row.
inline constexpr std::int64_t kOverflowFeed = 0;

// What may be stored and looked for: without control characters, at most kIndexValueBytesMax bytes.
std::string clean(std::string_view value);

// The identifiers of a message in one text: kind and value, separated by U+001F.
std::string pack_ids(const IndexedMessage& message);
void unpack_ids(std::string_view packed, IndexedMessage& message);
bool has_id(std::string_view packed, KeyKind kind, std::string_view value);
// The hashes of all of them and of the control id.
std::vector<std::uint32_t> hashes(std::string_view packed, std::string_view control_id);

// listener, sender, type and trigger in one text, separated by U+001F.
std::string pack_feed(const IndexedMessage& message);
void unpack_feed(std::string_view packed, IndexedMessage& message);

std::string pack_warnings(const std::vector<std::string>& warnings);
void unpack_warnings(std::string_view packed, std::vector<std::string>& warnings);

}  // namespace minato::index_layout
