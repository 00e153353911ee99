#include "store/journal/sealed_segment.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "store/journal/crc32c.h"
#include "store/journal/little_endian.h"

namespace minato {

namespace {

constexpr std::string_view kMagic = "MINATOS\n";
constexpr std::string_view kTrailerMagic = "MINATOE\n";
constexpr std::size_t kIndexEntryBytes = 32;
constexpr std::size_t kTrailerFieldsBytes = 60;  // its own checksum follows, then the digest
// A block holds whole records: at most its aim and one record more.
constexpr std::uint64_t kBlockRawBytesMax = kSealedBlockBytesMax + kJournalRecordBytesMax;

static_assert(kTrailerFieldsBytes + 4 + 32 == kSealedTrailerBytes);

struct Trailer {
  std::uint32_t blocks = 0;
  std::uint64_t index_offset = 0;
  Seq first, last;
  std::uint64_t raw_bytes = 0;
  std::uint32_t index_crc = 0;
  crypto::Digest digest{};
};

Result<std::string> read_at(const File& file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  MN_TRY(got, file.pread(bytes, offset));
  if (got != count) return fail(Errc::kCorrupt, "sealed segment: file ends early");
  return bytes;
}

Result<Trailer> decode_trailer(std::string_view bytes) {
  if (!bytes.starts_with(kTrailerMagic)) return fail(Errc::kCorrupt, "sealed segment: no trailer");
  if (get_le<std::uint32_t>(bytes, kTrailerFieldsBytes) != crc32c(bytes.substr(0, kTrailerFieldsBytes))) {
    return fail(Errc::kCorrupt, "sealed segment trailer: checksum differs");
  }
  if (const auto version = get_le<std::uint32_t>(bytes, 8); version != kSealedVersion) {
    return fail(Errc::kRefused, "sealed segment version " + std::to_string(version) + " is newer than this program");
  }
  Trailer trailer{.blocks = get_le<std::uint32_t>(bytes, 12),
                  .index_offset = get_le<std::uint64_t>(bytes, 16),
                  .first = Seq{get_le<std::uint64_t>(bytes, 24)},
                  .last = Seq{get_le<std::uint64_t>(bytes, 32)},
                  .raw_bytes = get_le<std::uint64_t>(bytes, 40),
                  .index_crc = get_le<std::uint32_t>(bytes, 56)};
  std::memcpy(trailer.digest.data(), bytes.data() + kTrailerFieldsBytes + 4, trailer.digest.size());
  return trailer;
}

SealedBlock decode_entry(std::string_view bytes) {
  return {.offset = get_le<std::uint64_t>(bytes, 0),
          .stored_bytes = get_le<std::uint32_t>(bytes, 8),
          .raw_bytes = get_le<std::uint32_t>(bytes, 12),
          .first = Seq{get_le<std::uint64_t>(bytes, 16)},
          .records = get_le<std::uint32_t>(bytes, 24),
          .crc = get_le<std::uint32_t>(bytes, 28)};
}

void encode_entry(std::string& out, const SealedBlock& block) {
  put_le(out, block.offset);
  put_le(out, block.stored_bytes);
  put_le(out, block.raw_bytes);
  put_le(out, block.first.value);
  put_le(out, block.records);
  put_le(out, block.crc);
}

// The blocks stand side by side from the magic to the index, and so do their sequences.
bool adds_up(const SealedIndex& index, std::uint64_t index_offset) {
  std::uint64_t offset = kMagic.size();
  std::uint64_t raw_bytes = 0;
  Seq first = index.first;
  for (const auto& block : index.blocks) {
    if (block.offset != offset || block.first != first || block.records == 0) return false;
    if (block.raw_bytes > kBlockRawBytesMax) return false;
    offset += block.stored_bytes;
    raw_bytes += block.raw_bytes;
    first.value += block.records;
  }
  return offset == index_offset && first == next(index.last) && raw_bytes == index.raw_bytes;
}

Status check_records(std::string_view raw, const SealedBlock& block) {
  std::uint32_t records = 0;
  while (!raw.empty()) {
    const std::size_t size = record_bytes_at(raw);
    if (const auto record = decode_record(raw.substr(0, size)); !record) return std::unexpected(record.error());
    raw.remove_prefix(size);
    ++records;
  }
  if (records != block.records) return fail(Errc::kCorrupt, "sealed segment: a block has another number of records");
  return {};
}

Status check_digest(const File& file, std::uint64_t bytes, const crypto::Digest& expected) {
  crypto::Sha256 sha;
  std::string piece(kMiB, '\0');
  for (std::uint64_t offset = 0; offset < bytes;) {
    const std::size_t count = std::min<std::uint64_t>(piece.size(), bytes - offset);
    MN_TRY(got, file.pread(std::span(piece).first(count), offset));
    if (got != count) return fail(Errc::kCorrupt, "sealed segment: file ends early");
    sha.update(std::string_view(piece).substr(0, count));
    offset += count;
  }
  if (sha.finish() != expected) return fail(Errc::kCorrupt, "sealed segment: SHA-256 differs");
  return {};
}

}  // namespace

struct SealedBuilder::Context {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  ~Context() { ZSTD_freeCCtx(zstd); }
};

SealedBuilder::SealedBuilder(Seq first, Options options)
    : options_(options), context_(std::make_unique<Context>()), out_(kMagic) {
  index_.first = first;
  index_.last = Seq{first.value - 1};
}
SealedBuilder::~SealedBuilder() = default;

Status SealedBuilder::add(std::string_view record) {
  block_ += record;
  ++block_records_;
  if (block_.size() < options_.block_bytes) return {};
  return end_block();
}

Status SealedBuilder::end_block() {
  SealedBlock block{.offset = out_.size(),
                    .raw_bytes = static_cast<std::uint32_t>(block_.size()),
                    .first = next(index_.last),
                    .records = block_records_};
  const std::size_t room = ZSTD_compressBound(block_.size());
  out_.resize(block.offset + room);
  const std::size_t stored =
      ZSTD_compressCCtx(context_->zstd, out_.data() + block.offset, room, block_.data(), block_.size(), options_.level);
  if (ZSTD_isError(stored) != 0) return fail(Errc::kCorrupt, std::string("zstd: ") + ZSTD_getErrorName(stored));
  out_.resize(block.offset + stored);
  block.stored_bytes = static_cast<std::uint32_t>(stored);
  block.crc = crc32c(std::string_view(out_).substr(block.offset));
  index_.last.value += block_records_;
  index_.raw_bytes += block_.size();
  index_.blocks.push_back(block);
  block_.clear();
  block_records_ = 0;
  return {};
}

Result<std::string> SealedBuilder::finish() {
  if (block_records_ > 0) MN_CHECK(end_block());
  const std::uint64_t index_offset = out_.size();
  for (const auto& block : index_.blocks) encode_entry(out_, block);
  const auto index_crc = crc32c(std::string_view(out_).substr(index_offset));
  std::string trailer(kTrailerMagic);
  put_le(trailer, kSealedVersion);
  put_le(trailer, static_cast<std::uint32_t>(index_.blocks.size()));
  put_le(trailer, index_offset);
  put_le(trailer, index_.first.value);
  put_le(trailer, index_.last.value);
  put_le(trailer, index_.raw_bytes);
  put_le(trailer, std::uint64_t{0});
  put_le(trailer, index_crc);
  put_le(trailer, crc32c(trailer));
  out_ += trailer;
  out_ += crypto::bytes(crypto::sha256(out_));
  return std::move(out_);
}

Result<SealedIndex> read_sealed_index(const File& file) {
  MN_TRY(size, file.size());
  if (size < kMagic.size() + kIndexEntryBytes + kSealedTrailerBytes) {
    return fail(Errc::kCorrupt, "sealed segment: too short");
  }
  MN_TRY(magic, read_at(file, 0, kMagic.size()));
  if (magic != kMagic) return fail(Errc::kCorrupt, "no sealed segment");
  MN_TRY(trailer_bytes, read_at(file, size - kSealedTrailerBytes, kSealedTrailerBytes));
  MN_TRY(trailer, decode_trailer(trailer_bytes));
  if (trailer.index_offset != size - kSealedTrailerBytes - trailer.blocks * std::uint64_t{kIndexEntryBytes} ||
      trailer.index_offset > size) {
    return fail(Errc::kCorrupt, "sealed segment: file has another length");
  }
  MN_TRY(entries, read_at(file, trailer.index_offset, trailer.blocks * kIndexEntryBytes));
  if (crc32c(entries) != trailer.index_crc) return fail(Errc::kCorrupt, "sealed segment index: checksum differs");
  SealedIndex index{.first = trailer.first,
                    .last = trailer.last,
                    .raw_bytes = trailer.raw_bytes,
                    .blocks = {},
                    .digest = trailer.digest};
  for (std::size_t from = 0; from < entries.size(); from += kIndexEntryBytes) {
    index.blocks.push_back(decode_entry(std::string_view(entries).substr(from, kIndexEntryBytes)));
  }
  if (!adds_up(index, trailer.index_offset)) return fail(Errc::kCorrupt, "sealed segment index: does not add up");
  return index;
}

Result<std::string> read_sealed_block(const File& file, const SealedBlock& block) {
  MN_TRY(stored, read_at(file, block.offset, block.stored_bytes));
  const auto where = "sealed segment, block at byte " + std::to_string(block.offset);
  if (crc32c(stored) != block.crc) return fail(Errc::kCorrupt, where + ": checksum differs");
  std::string raw(block.raw_bytes, '\0');
  const std::size_t got = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) != 0 || got != raw.size()) return fail(Errc::kCorrupt, where + ": does not decompress");
  return raw;
}

Status verify_sealed(const File& file) {
  MN_TRY(index, read_sealed_index(file));
  MN_TRY(size, file.size());
  MN_CHECK(check_digest(file, size - index.digest.size(), index.digest));
  for (const auto& block : index.blocks) {
    MN_TRY(raw, read_sealed_block(file, block));
    MN_CHECK(check_records(raw, block));
  }
  return {};
}

}  // namespace minato
