// Every bound of the program in one place, and why it is what it is. A limit that a site may change has its default
// here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace minato {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

// One MLLP frame. Reports with embedded PDF pass 20 MB in the field; 64 MB must be accepted, so twice that.
inline constexpr std::size_t kMllpFrameBytesMax = 128 * kMiB;
// One record of the journal: a frame, its envelope and room.
inline constexpr std::size_t kJournalRecordBytesMax = 160 * kMiB;
// What may wait for the running commit. Past it `submit` refuses and the listener stops reading.
inline constexpr std::size_t kJournalPendingBytesMax = 256 * kMiB;
// A segment is sealed at this size: large enough that a year is some thousand files, small enough to copy within
// seconds.
inline constexpr std::size_t kSegmentBytes = 64 * kMiB;
// All buffers of all connections together; above it the listeners stop reading until it falls.
inline constexpr std::size_t kGlobalBufferBytesMax = 512 * kMiB;

// HL7: more than any real message has, small enough that hostile ones stay cheap.
inline constexpr std::size_t kHl7SegmentsMax = 100'000;
inline constexpr std::size_t kHl7FieldsPerSegmentMax = 2'000;

// Language: a table of names that a site brings.
inline constexpr std::size_t kDictionaryBytesMax = 64 * kMiB;
inline constexpr std::size_t kDictionaryFormBytesMax = 256;

}  // namespace minato
