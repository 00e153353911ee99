// Message::parse: one pass over the bytes that finds every segment and field.
#include <algorithm>
#include <limits>

#include "format/hl7/header.h"
#include "format/hl7/lines.h"
#include "format/hl7/message.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace minato::hl7 {

// Builds the tables of a Message. Each field separator, CR and LF that is a character of its own comes in, in order.
class MessageReader {
 public:
  MessageReader(Message& message, const ParseOptions& options)
      : message_(message), options_(options), bytes_(message.bytes_), field_(message.delimiters_.field) {}

  Status run(std::size_t begin) {
    reserve();
    start(begin);
    if (charset::ascii_safe(message_.encoding())) {
      scan_bytes(begin);
    } else if (message_.encoding() == charset::Encoding::kIso2022Jp) {
      scan_encoded(begin, [escape = message_.delimiters_.escape](char c) { return c == 0x1B || (c == escape && c != 0); });
    } else {
      scan_encoded(begin, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    }
    if (status_ && begin_ < bytes_.size()) end_segment(trimmed_end());
    return std::move(status_);
  }

 private:
  void reserve() {
    // A field has some eight bytes in real messages; a report of megabytes has few fields, so the first guess is capped.
    message_.field_begins_.reserve(std::min<std::size_t>(bytes_.size() / 8 + 16, 4096));
    message_.segments_.reserve(16);
  }

  // `opens`: a multi-byte character, or a shift to such, may begin with this byte. These are passed over, the bytes between them
  // are read like ASCII.
  template <typename Opens>
  void scan_encoded(std::size_t pos, Opens opens) {
    while (status_ && pos < bytes_.size()) {
      const char byte = bytes_[pos];
      if (opens(byte)) {
        const std::size_t behind =
            charset::skip_multibyte(message_.encoding(), bytes_, pos, message_.delimiters_.escape);
        if (behind > pos) {
          pos = behind;
          continue;
        }
      }
      if (byte == field_ || byte == '\r' || byte == '\n') on(pos);
      ++pos;
    }
  }

  void scan_bytes(std::size_t pos) {
#if defined(__SSE2__)
    const __m128i field = _mm_set1_epi8(field_);
    const __m128i cr = _mm_set1_epi8('\r');
    const __m128i lf = _mm_set1_epi8('\n');
    for (; pos + 16 <= bytes_.size(); pos += 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes_.data() + pos));
      const __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(block, field),
                                        _mm_or_si128(_mm_cmpeq_epi8(block, cr), _mm_cmpeq_epi8(block, lf)));
      for (auto mask = static_cast<unsigned>(_mm_movemask_epi8(hits)); mask != 0; mask &= mask - 1) {
        on(pos + static_cast<std::size_t>(__builtin_ctz(mask)));
      }
      if (!status_) return;
    }
#endif
    for (; pos < bytes_.size(); ++pos) {
      if (bytes_[pos] == field_ || bytes_[pos] == '\r' || bytes_[pos] == '\n') on(pos);
    }
  }

  void on(std::size_t pos) {
    if (pos < passed_) return;
    if (bytes_[pos] == field_) {
      if (++fields_ > options_.fields_per_segment_max) return refuse("fields in a segment");
      message_.field_begins_.push_back(static_cast<std::uint32_t>(pos + 1));
    } else if (bytes_[pos] == '\r') {
      end_segment(pos);
      start(skip_blank(bytes_, pos + 1));
    } else {
      on_line_feed(pos);
    }
  }

  void on_line_feed(std::size_t pos) {
    const LineFeed feed = judge_line_feed(bytes_, pos, field_);
    if (!feed.ends_segment) {
      passed_ = feed.after;
      return;
    }
    end_segment(pos);
    start(skip_blank(bytes_, feed.after));
  }

  void start(std::size_t pos) {
    begin_ = passed_ = pos;
    fields_ = 0;
  }

  void end_segment(std::size_t end) {
    if (message_.segments_.size() >= options_.segments_max) return refuse("segments");
    const std::size_t first = message_.field_begins_.size() - fields_;
    message_.segments_.push_back({.begin = static_cast<std::uint32_t>(begin_),
                                  .end = static_cast<std::uint32_t>(end),
                                  .first_field = static_cast<std::uint32_t>(first),
                                  .field_count = static_cast<std::uint32_t>(fields_)});
  }

  // The last segment may come without its terminator but with the frame's FS or padding NULs.
  std::size_t trimmed_end() const {
    std::size_t end = bytes_.size();
    while (end > begin_ && (bytes_[end - 1] == '\x1C' || bytes_[end - 1] == '\0')) --end;
    return end;
  }

  void refuse(const char* what) {
    if (status_) status_ = fail(Errc::kTooLarge, std::string("too many ") + what);
    passed_ = bytes_.size();
  }

  Message& message_;
  const ParseOptions& options_;
  const std::string_view bytes_;
  const char field_;
  std::size_t begin_ = 0;   // of the segment in progress
  std::size_t passed_ = 0;  // what stands before it has been dealt with
  std::size_t fields_ = 0;  // of the segment in progress
  Status status_;
};

Result<Message> Message::parse(std::string bytes, const ParseOptions& options) {
  auto owned = std::make_unique<const std::string>(std::move(bytes));
  MN_TRY(message, view(*owned, options));
  message.owned_ = std::move(owned);
  return message;
}

Result<Message> Message::view(std::string_view bytes, const ParseOptions& options) {
  if (bytes.size() >= std::numeric_limits<std::uint32_t>::max()) return fail(Errc::kTooLarge, "message over 4 GB");
  MN_TRY(header, peek_header(bytes, {.undeclared_default = options.undeclared_default}));
  Message message;
  message.bytes_ = bytes;
  message.delimiters_ = header.delimiters;
  message.charset_ = std::move(header.charset);
  if (options.encoding) message.charset_.used = *options.encoding;
  MN_CHECK(MessageReader(message, options).run(header.offset));
  return message;
}

}  // namespace minato::hl7
