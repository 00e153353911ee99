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

// JSON that others send us: registry imports and rules are the largest; deeper than any of them, shallow enough for the stack.
inline constexpr std::size_t kJsonBytesMax = 64 * kMiB;
inline constexpr std::size_t kJsonDepthMax = 128;

// HTTP server. Bodies above the route's limit get 413; headers above theirs 431; more connections are not accepted.
inline constexpr std::size_t kHttpBodyBytesMax = 16 * kMiB;
inline constexpr std::size_t kHttpHeaderBytesMax = 64 * kKiB;
inline constexpr unsigned kHttpConnectionsMax = 512;
// What is read and thrown away after a body grew too large, so that the sender sees the 413; past it the link is cut.
inline constexpr std::size_t kHttpDrainBytesMax = 64 * kMiB;
inline constexpr std::size_t kHttpQueryParametersMax = 256;
// A PEM file of certificates, keys or revocations. A country's CRL has a few MiB.
inline constexpr std::size_t kTlsFileBytesMax = 16 * kMiB;
// HTTP client: an answer above this is refused and the transfer ends.
inline constexpr std::size_t kHttpAnswerBytesMax = 16 * kMiB;

// Mail. Servers refuse above 25 to 50 MB in the field; ours are short texts.
inline constexpr std::size_t kMailBytesMax = 25 * kMiB;
inline constexpr std::size_t kMailRecipientsMax = 100;

// One write to or read from a stream at most: a TLS record's worth, several times.
inline constexpr std::size_t kStreamChunkBytes = 64 * kKiB;
// Entries of an address allow-list.
inline constexpr std::size_t kAddressListMax = 4096;

}  // namespace minato
