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
// A segment is sealed at this size. What is not yet sealed is not yet compressed, so this is what the journal costs
// more than its compressed size: small enough not to matter on a small site, large enough that a large one makes some
// hundred files a day.
inline constexpr std::size_t kSegmentBytes = 16 * kMiB;
// One group of the journal's commit: what one write and one fdatasync carry. A single submission may be larger.
inline constexpr std::size_t kJournalGroupBytesMax = 4 * kMiB;
// Zeros are written this far ahead of the end, so that most commits change no metadata of the file (docs/adr/0011).
inline constexpr std::size_t kJournalZeroAheadBytes = 256 * kKiB;
// Sealed segments are compressed in blocks of this size: reading one record decompresses one block.
inline constexpr std::size_t kSealedBlockBytes = 128 * kKiB;
inline constexpr std::size_t kSealedBlockBytesMax = 1 * kMiB;
inline constexpr int kSealedCompressionLevel = 6;
// Readers keep this many sealed segments open and this much of them decompressed.
inline constexpr std::size_t kJournalOpenSegmentsMax = 16;
inline constexpr std::size_t kJournalBlockCacheBytes = 8 * kMiB;
// Below this much free space the journal refuses to append: room for what is under way and for the other databases.
inline constexpr std::uint64_t kJournalLowSpaceBytes = 256 * kMiB;
// A journal in PostgreSQL keeps this many records in one partition: what a purge can drop at once.
inline constexpr std::uint64_t kJournalPartitionRecords = 250'000;
// One read() answers with at most this many bytes beyond its first record.
inline constexpr std::size_t kJournalReadBytesMax = 64 * kMiB;
// All buffers of all connections together; above it the listeners stop reading until it falls.
inline constexpr std::size_t kGlobalBufferBytesMax = 512 * kMiB;

// HL7: more than any real message has, small enough that hostile ones stay cheap.
inline constexpr std::size_t kHl7SegmentsMax = 100'000;
inline constexpr std::size_t kHl7FieldsPerSegmentMax = 2'000;

// Language: a table of names that a site brings.
inline constexpr std::size_t kDictionaryBytesMax = 64 * kMiB;
inline constexpr std::size_t kDictionaryFormBytesMax = 256;

// Notification. The narrative of one message that is read for findings; longer notes are cut, and said to be.
inline constexpr std::size_t kExtractTextBytesMax = 1 * kMiB;
inline constexpr std::size_t kExtractFindingsMax = 5'000;
inline constexpr std::size_t kTemplateBytesMax = 256 * kKiB;
inline constexpr std::size_t kTemplateDepthMax = 16;
// Of one mail: what a person can read. The page behind the link has all.
inline constexpr std::size_t kNoticeFindingsMax = 60;
inline constexpr std::size_t kNoticeResultsMax = 60;
inline constexpr std::size_t kNoticeTextCharactersMax = 200;
// Providers that one message may name; an honest one has some ten.
inline constexpr std::size_t kVerifyProvidersMax = 200;
// Patients merged into one, directly or not, that are looked at for the demographics of a sender that has not heard of
// the merge.
inline constexpr std::size_t kVerifyMergedMax = 100;
// Answers of a patient master.
inline constexpr std::size_t kMasterPeopleMax = 10;
inline constexpr std::size_t kMasterAnswerBytesMax = 1 * kMiB;
inline constexpr std::size_t kMasterConnectionsMax = 4;
// JSON that others send us: registry imports and rules are the largest; deeper than any of them, shallow enough for the
// stack.
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
// HL7 files and frames with many messages, and numbers in paths that would make an editor pad without end.
inline constexpr std::size_t kHl7BatchMessagesMax = 100'000;
inline constexpr std::size_t kHl7RepetitionsMax = 10'000;
inline constexpr std::size_t kHl7ComponentsMax = 1'000;
// ISO says 20 characters for MSH-10, the field says 50 and more; an answer carries back what is no longer than this,
// whole.
inline constexpr std::size_t kHl7EchoedFieldBytesMax = 4 * kKiB;

// MLLP: how much of what is no good frame is kept, enough to read an MSH for the answer and to show in a hex view.
inline constexpr std::size_t kMllpStrayBytesKept = 64 * kKiB;

// Message index. Identifiers longer than this are cut, in the index and in the search alike; more of them in one
// message (a batch of merges) are not found by themselves.
inline constexpr std::size_t kIndexValueBytesMax = 128;
inline constexpr std::size_t kIndexIdsPerMessageMax = 64;
// Different combinations of listener, sender, type and trigger that get posting lists of their own; a sender that
// invents names shares one list with its kind. A large hospital has some 3,000.
inline constexpr std::size_t kIndexFeedsMax = 8192;
// Different peers, answers and warnings that are stored once; further ones are stored in each row.
inline constexpr std::size_t kIndexTextsMax = 65'536;
inline constexpr std::size_t kIndexPageMax = 1000;
// Tree look-ups of one search before it answers with what it has: some 30 ms.
inline constexpr std::size_t kIndexSearchStepsMax = 20'000;

// Registries. Shown faults of an import, so that an answer stays readable.
inline constexpr std::size_t kRegistryCsvFaultsShown = 20;
inline constexpr std::size_t kRegistryCsvRowsMax = 2'000'000;
inline constexpr std::size_t kRegistryIdentifiersPerEventMax = 64;
inline constexpr std::size_t kRegistryPageMax = 1000;
// How many messages a resend is looked for among: minutes at the rate of the largest hospital, days at that of most;
// 19 MB, and half a second of reading when the server starts.
inline constexpr std::size_t kDuplicateMessagesMax = 256 * kKiB;

// Queue. Items that one record may create: the number stands in 16 bits of the item's key.
inline constexpr std::size_t kQueueItemsPerRecordMax = 65'536;
inline constexpr std::size_t kQueueArgsBytesMax = 1 * kMiB;
// A lane's name; PostgreSQL indexes at most 2,704 bytes. Longer names end in a digest.
inline constexpr std::size_t kQueueLaneBytesMax = 512;
inline constexpr std::size_t kQueueStepBytesMax = 256;
// Different steps ever seen: each is one look-up of a lease that asks for all.
inline constexpr std::size_t kQueueStepsMax = 4096;
// Errors kept of one item: enough to see the first and how it went lately. Longer texts are cut.
inline constexpr std::size_t kQueueAttemptsKept = 32;
inline constexpr std::size_t kQueueErrorBytesMax = 2 * kKiB;
inline constexpr std::size_t kQueuePageMax = 10'000;
// MLLP listeners. A hospital has some hundred links; a listener that meets more refuses them.
inline constexpr std::size_t kMllpConnectionsMax = 4096;
// Frames of one link that are read and not yet answered. Senders wait for each answer; few send ahead.
inline constexpr std::size_t kMllpFramesInFlightMax = 64;
// Answers that a link's peer does not take; above it the link is not read.
inline constexpr std::size_t kMllpAnswerBytesMax = 256 * kKiB;
// What one link may read before the others have their turn, and what is handed to the journal at once.
inline constexpr std::size_t kMllpRoundBytesMax = 4 * kMiB;

// Rules that pass messages on: more than any site has written, small enough that a message's way through them stays
// short.
inline constexpr std::size_t kRoutesMax = 1000;
inline constexpr std::size_t kRouteChangesMax = 200;
inline constexpr std::size_t kRouteConditionsMax = 1000;  // of one route, nested ones counted
inline constexpr std::size_t kRouteConditionDepthMax = 16;
inline constexpr std::size_t kRouteTableRowsMax = 100'000;
inline constexpr std::size_t kRouteTextBytesMax = 4 * kMiB;
// Patients of one family name or birth date that a search by demographics looks at.
inline constexpr std::size_t kRegistryCandidatesMax = 50'000;

}  // namespace minato
