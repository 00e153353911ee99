// A sealed segment: the records of a raw one, compressed by zstd in blocks, with an index to find a record by its
// sequence, and a SHA-256 of all of it. Written once, then immutable. Grammar: docs/formats/journal.md.
//
//   sealed  := magic | block* | index | trailer
//   block   := one zstd frame; uncompressed: record*, whole ones
//   index   := (offset: u64 | stored_bytes: u32 | raw_bytes: u32 | first_seq: u64 | records: u32 | crc32c: u32)*
//   trailer := magic | version: u32 | blocks: u32 | index_offset: u64 | first_seq: u64 | last_seq: u64 | raw_bytes: u64
//              | 0: u64 | crc32c of the index: u32 | crc32c of the trailer up to here: u32
//              | sha256 of all before it: 32 bytes
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/sha256.h"
#include "os/files.h"
#include "store/journal/segment_format.h"

namespace minato {

inline constexpr std::size_t kSealedTrailerBytes = 96;
inline constexpr std::uint32_t kSealedVersion = 1;

struct SealedBlock {
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  Seq first;
  std::uint32_t records = 0;
  std::uint32_t crc = 0;  // CRC-32C of the stored bytes
};

struct SealedIndex {
  Seq first, last;
  std::uint64_t raw_bytes = 0;
  std::vector<SealedBlock> blocks;  // not empty
  crypto::Digest digest{};
};

// Builds a sealed segment piece by piece, so that the caller may stop in between.
class SealedBuilder {
 public:
  struct Options {
    std::size_t block_bytes = kSealedBlockBytes;
    int level = kSealedCompressionLevel;
  };
  SealedBuilder(Seq first, Options options);
  ~SealedBuilder();
  SealedBuilder(const SealedBuilder&) = delete;
  SealedBuilder& operator=(const SealedBuilder&) = delete;

  // `record` as encode_record writes it. kCorrupt: zstd failed.
  Status add(std::string_view record);
  // The whole file's bytes. At least one record was added.
  Result<std::string> finish();

 private:
  struct Context;
  Status end_block();

  Options options_;
  std::unique_ptr<Context> context_;
  SealedIndex index_;
  std::string out_;
  std::string block_;
  std::uint32_t block_records_ = 0;
};

// Reads trailer and index, not the blocks. kCorrupt: rot, with its place. kRefused: a newer version.
Result<SealedIndex> read_sealed_index(const File& file);
// The uncompressed records of one block.
Result<std::string> read_sealed_block(const File& file, const SealedBlock& block);
// Reads all of it: digest, checksums, sequence, every record.
Status verify_sealed(const File& file);

}  // namespace minato
