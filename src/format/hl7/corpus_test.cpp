// Real messages of ../shared/data/hl7v2: each parses, and comes out byte for byte as it came in.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "format/hl7/ack.h"
#include "format/hl7/batch.h"
#include "format/hl7/edit.h"
#include "format/hl7/header.h"
#include "format/hl7/message.h"
#include "format/hl7/mllp_framer.h"
#include "format/hl7/tables.h"

namespace minato::hl7 {
namespace {

namespace fs = std::filesystem;

fs::path corpus() {
  const char* source = std::getenv("MINATO_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "data" / "hl7v2";
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Corpus : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(corpus())) GTEST_SKIP() << "left out: " << corpus() << " is not there";
  }
};

bool in_folder(const fs::path& path, std::string_view folder) {
  return std::ranges::any_of(path, [&](const fs::path& part) { return part == folder; });
}

bool is_message_file(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension != ".csv" && extension != ".json" && !in_folder(path, "malformed_fuzz_nhapi") &&
         !in_folder(path, "mllp_streams") && path.filename() != "empty.hl7";
}

std::vector<fs::path> message_files() {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(corpus())) {
    if (entry.is_regular_file() && is_message_file(entry.path())) files.push_back(entry.path());
  }
  return files;
}

// Puts the bytes together again from the elements that the parser found, and so proves that it found all of them.
std::string from_elements(const Message& message) {
  const Delimiters& d = message.delimiters();
  std::string out;
  for (const Segment& segment : message.segments()) {
    out += segment.id();
    const bool msh = segment.id() == "MSH";
    for (std::size_t n = msh ? 2 : 1; n <= segment.field_count(); ++n) {
      out.push_back(d.field);
      const std::vector<Repetition> repetitions = segment.field(n).repetitions();
      for (std::size_t r = 0; r < repetitions.size(); ++r) {
        if (r > 0) out.push_back(d.repetition);
        for (std::size_t c = 1; c <= repetitions[r].component_count(); ++c) {
          if (c > 1) out.push_back(d.component);
          const Component component = repetitions[r].component(c);
          for (std::size_t s = 1; s <= component.subcomponent_count(); ++s) {
            if (s > 1) out.push_back(d.subcomponent);
            out += component.subcomponent(s).raw();
          }
        }
      }
    }
    out.push_back('\n');
  }
  return out;
}

std::string of_segments(const Message& message) {
  std::string out;
  for (const Segment& segment : message.segments()) {
    out += segment.raw();
    out.push_back('\n');
  }
  return out;
}

// Line ends, blank lines and the like: what no segment holds.
bool is_between_segments(char c) { return c == '\r' || c == '\n' || c == ' ' || c == '\t' || c == '\0' || c == '\x1C'; }

TEST_F(Corpus, EveryFileParsesAndIsReencodedByteForByte) {
  std::size_t messages = 0;
  for (const fs::path& path : message_files()) {
    const std::string bytes = read(path);
    const Batch batch = split_batch(bytes);
    ASSERT_FALSE(batch.messages.empty()) << path;
    for (const std::string_view one : batch.messages) {
      const Result<Message> message = Message::view(one);
      ASSERT_TRUE(message) << path << ": " << message.error().what;
      ++messages;
      EXPECT_EQ(MessageEditor(*message).build(), one) << path;
      EXPECT_EQ(from_elements(*message), of_segments(*message)) << path;
      // No byte of the message is outside its segments but line ends.
      std::size_t inside = 0;
      for (const Segment& segment : message->segments()) inside += segment.raw().size();
      const auto between = static_cast<std::size_t>(std::ranges::count_if(one, is_between_segments));
      const std::size_t mark = one.starts_with("\xEF\xBB\xBF") ? 3 : 0;
      EXPECT_GE(inside + between + mark, one.size()) << path;
    }
  }
  EXPECT_GT(messages, 290u);
  RecordProperty("messages", static_cast<int>(messages));
}

TEST_F(Corpus, EverySegmentHasAProperId) {
  std::size_t odd = 0;
  for (const fs::path& path : message_files()) {
    const std::string bytes = read(path);
    for (const std::string_view one : split_batch(bytes).messages) {
      const Message message = Message::view(one).value();
      for (const Segment& segment : message.segments()) {
        const std::string_view id = segment.id();
        const bool proper = id.size() == 3 && std::ranges::all_of(id, [](char c) {
                              return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                            });
        if (!proper) ++odd;
        if (!proper) std::cout << path.filename() << ": a segment id of " << id.size() << " bytes\n";
      }
    }
  }
  // The two of invalid-segment-header-length.hl7 and what the corpus has in free lines.
  EXPECT_LE(odd, 40u);
}

TEST_F(Corpus, HeaderAndMessageAgree) {
  for (const fs::path& path : message_files()) {
    const std::string bytes = read(path);
    for (const std::string_view one : split_batch(bytes).messages) {
      const Header header = peek_header(one).value();
      const Message message = Message::view(one).value();
      EXPECT_EQ(header.charset.used, message.encoding());
      for (std::size_t n = 1; n < Header::kFieldsMax; ++n) {
        EXPECT_EQ(header.fields[n], message.segment("MSH").field(n).raw()) << path << " MSH-" << n;
      }
    }
  }
}

TEST_F(Corpus, NoFileInAKnownEncodingHasAnUndecodableText) {
  for (const fs::path& path : message_files()) {
    const std::string bytes = read(path);
    for (const std::string_view one : split_batch(bytes).messages) {
      const Message message = Message::view(one).value();
      EXPECT_NE(message.charset().warning, charset::Warning::kInvalidBytes) << path;
      if (message.charset().warning != charset::Warning::kNone) {
        std::cout << path.filename() << ": " << charset::name(message.charset().warning) << " "
                  << charset::name(message.encoding()) << "\n";
      }
    }
  }
}

// --- derived encodings

// The string that stands for `key` in expected_text.json: {"file": {"text_utf8": "…"}, …}.
std::string expected_text(const std::string& json, const std::string& key) {
  std::size_t pos = json.find("\"" + key + "\"");
  pos = json.find("\"text_utf8\": \"", pos) + 14;
  std::string out;
  for (; json[pos] != '"'; ++pos) {
    if (json[pos] != '\\') {
      out.push_back(json[pos]);
      continue;
    }
    const char c = json[++pos];
    if (c == 'u') {
      const unsigned long unit = std::stoul(json.substr(pos + 1, 4), nullptr, 16);
      EXPECT_LT(unit, 0x80u) << "only control characters are written so in this file";
      out.push_back(static_cast<char>(unit));
      pos += 4;
    } else {
      out.push_back(c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c);
    }
  }
  return out;
}

TEST_F(Corpus, EveryDerivedEncodingReadsAsItsExpectedText) {
  const fs::path folder = corpus() / "japanese" / "derived_encodings";
  const std::string json = read(folder / "expected_text.json");
  std::size_t files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".hl7") continue;
    ++files;
    const std::string bytes = read(entry.path());
    const std::string wanted = expected_text(json, entry.path().filename().string());
    const Message actual = Message::view(bytes).value();
    const Message expected =
        Message::view(wanted, {.encoding = charset::Encoding::kUtf8, .undeclared_default = {}}).value();
    ASSERT_EQ(actual.segment_count(), expected.segment_count()) << entry.path();
    for (std::size_t i = 0; i < actual.segment_count(); ++i) {
      ASSERT_EQ(actual.segment_at(i).field_count(), expected.segment_at(i).field_count()) << entry.path();
      for (std::size_t n = 1; n <= actual.segment_at(i).field_count(); ++n) {
        if (i == 0 && n == 18) continue;  // the declaration is what was changed
        EXPECT_EQ(actual.segment_at(i).field(n).text(), expected.segment_at(i).field(n).raw())
            << entry.path() << " " << i << "-" << n;
      }
    }
    const std::string file = entry.path().filename().string();
    const bool undeclared = file.find("undeclared") != std::string::npos;
    EXPECT_EQ(actual.charset().warning != charset::Warning::kNone, undeclared) << file;
    if (file.find("sjis") != std::string::npos) {
      EXPECT_EQ(actual.encoding(), charset::Encoding::kShiftJis) << file;
    }
    if (file.find("eucjp") != std::string::npos) {
      EXPECT_EQ(actual.encoding(), charset::Encoding::kEucJp) << file;
    }
    if (file.find("utf8") != std::string::npos) {
      EXPECT_EQ(actual.encoding(), charset::Encoding::kUtf8) << file;
    }
  }
  EXPECT_EQ(files, 18u);
}

// --- hostile

TEST_F(Corpus, EveryMalformedInputIsAnsweredQuicklyWithAnError) {
  std::size_t files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(corpus() / "malformed_fuzz_nhapi")) {
    const std::string bytes = read(entry.path());
    const auto begin = std::chrono::steady_clock::now();
    const Result<Message> message = Message::view(bytes);
    const Result<Header> header = peek_header(bytes);
    EXPECT_EQ(message.has_value(), header.has_value()) << entry.path();
    if (header) {
      EXPECT_TRUE(check_header(*header, {})) << entry.path();
    }
    const std::string answer = build_ack(header.value_or(Header{}), {.code = AckCode::kAR,
                                                                     .errors = {error_entry(Fault::kNotHl7)},
                                                                     .us = {},
                                                                     .time_dtm = "2026",
                                                                     .control_id = "1"});
    EXPECT_TRUE(Message::view(answer)) << entry.path();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1)) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 19u);
}

// --- MLLP streams

std::string control_ids(const std::vector<mllp::Event>& events) {
  std::string out;
  for (const mllp::Event& event : events) {
    out += out.empty() ? "" : " ";
    const Result<Header> header = peek_header(event.bytes);
    out += mllp::name(event.kind);
    if (header) out += ":" + std::string(header->control_id());
  }
  return out;
}

TEST_F(Corpus, MllpStreamsAreFramedAsExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"one_frame", "frame:M1"},
      {"two_frames_back_to_back", "frame:M2 frame:M3"},
      {"garbage_before_start", "junk frame:M4"},
      {"no_end_block_then_close", "closed-mid-frame:M5"},
      {"two_starts", "half-frame: frame:M7"},
      {"empty_frame", "empty-frame"},
      {"fs_without_cr", "frame:M8 frame:M9"},
  };
  for (const auto& [file, expected] : cases) {
    const std::string bytes = read(corpus() / "mllp_streams" / (file + ".bin"));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
      mllp::Framer framer;
      std::vector<mllp::Event> events;
      for (std::size_t pos = 0; pos < bytes.size(); pos += piece)
        framer.feed(std::string_view(bytes).substr(pos, piece), events);
      framer.close(events);
      EXPECT_EQ(control_ids(events), expected) << file;
    }
  }
}

}  // namespace
}  // namespace minato::hl7
