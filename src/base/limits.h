// Every bound of the program in one place, and why it is what it is. A limit that a site may change has its default here.
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
// A segment is sealed at this size: large enough that a year is some thousand files, small enough to copy within seconds.
inline constexpr std::size_t kSegmentBytes = 64 * kMiB;
// All buffers of all connections together; above it the listeners stop reading until it falls.
inline constexpr std::size_t kGlobalBufferBytesMax = 512 * kMiB;

// HL7: more than any real message has, small enough that hostile ones stay cheap.
inline constexpr std::size_t kHl7SegmentsMax = 100'000;
inline constexpr std::size_t kHl7FieldsPerSegmentMax = 2'000;

// HL7 files and frames with many messages, and numbers in paths that would make an editor pad without end.
inline constexpr std::size_t kHl7BatchMessagesMax = 100'000;
inline constexpr std::size_t kHl7RepetitionsMax = 10'000;
inline constexpr std::size_t kHl7ComponentsMax = 1'000;
// ISO says 20 characters for MSH-10, the field says 50 and more; an answer carries back what is no longer than this, whole.
inline constexpr std::size_t kHl7EchoedFieldBytesMax = 4 * kKiB;

// MLLP: how much of what is no good frame is kept, enough to read an MSH for the answer and to show in a hex view.
inline constexpr std::size_t kMllpStrayBytesKept = 64 * kKiB;

}  // namespace minato
