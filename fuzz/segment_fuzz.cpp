// Bytes of a journal's files as a broken disk or a hostile hand may leave them: raw segments, sealed ones, records.
// links: minato_journal minato_os_sim
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "os/sim/sim_files.h"
#include "store/journal/sealed_segment.h"
#include "store/journal/segment_format.h"
#include "store/journal/test_records.h"

namespace {

using namespace minato;

void check(bool holds) {
  if (!holds) std::abort();
}

// What a scan calls whole can be read, and scanning only that much finds the same again.
void scan_as_raw(std::string_view bytes) {
  const auto scanned = scan_segment(bytes);
  if (!scanned) return;
  check(scanned->end <= bytes.size() || scanned->offsets.empty());
  for (const auto offset : scanned->offsets) check(decode_record(bytes.substr(offset)).has_value());
  const auto again = scan_segment(bytes.substr(0, scanned->end));
  check(again && again->offsets == scanned->offsets && again->end == scanned->end && again->torn_bytes == 0);
}

void read_as_sealed(std::string_view bytes) {
  sim::SimFiles files(1);
  files.set_bytes("d/f", bytes);
  const auto file = files.open("d/f", OpenMode::kRead);
  const auto index = read_sealed_index(**file);
  const bool whole = verify_sealed(**file).has_value();
  if (!index) {
    check(!whole);
    return;
  }
  for (const auto& block : index->blocks) {
    if (block.raw_bytes > kMiB) return;  // allowed, but slow here
    check(read_sealed_block(**file, block).has_value() || !whole);
  }
}

// A whole segment with the input's bytes laid over its end: damage that a random file would never reach.
void damage_a_segment(std::string_view input) {
  static const std::string whole = [] {
    constexpr std::uint64_t kMark = 77;
    std::string bytes = encode_segment_header({.first = Seq{1}, .mark = kMark, .created = {}});
    for (std::uint64_t group = 0; group < 3; ++group) {
      std::string content;
      encode_record(content, numbered_record(group * 2 + 1));
      encode_record(content, numbered_record(group * 2 + 2));
      bytes += encode_group_header({.offset = bytes.size(),
                                    .first = Seq{group * 2 + 1},
                                    .record_bytes = static_cast<std::uint32_t>(content.size()),
                                    .records = 2},
                                   kMark);
      bytes += content;
    }
    return bytes;
  }();
  if (input.size() < 2) return;
  const auto place =
      (static_cast<unsigned char>(input[0]) | static_cast<unsigned>(static_cast<unsigned char>(input[1])) << 8);
  auto damaged = whole;
  const std::size_t at = kSegmentHeaderBytes + place % (whole.size() - kSegmentHeaderBytes + 1);
  damaged.resize(std::max(damaged.size(), at + input.size() - 2), '\0');
  damaged.replace(at, input.size() - 2, input.substr(2));
  scan_as_raw(damaged);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)decode_record(input);
  scan_as_raw(input);
  damage_a_segment(input);
  read_as_sealed(input);
  return 0;
}
