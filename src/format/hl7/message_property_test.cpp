// Messages made of random values: whatever is put in at any depth comes out there, in every encoding and with every
// line end.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "format/hl7/edit.h"
#include "format/hl7/escape.h"
#include "format/hl7/message.h"

namespace minato::hl7 {
namespace {

using charset::Encoding;

using Components = std::vector<std::string>;  // UTF-8
using Repetitions = std::vector<Components>;
using Fields = std::vector<Repetitions>;
using Segments = std::vector<Fields>;

// Characters that break splitters in one encoding or another, delimiters, and common ones.
rc::Gen<std::string> value() {
  const auto piece =
      rc::gen::element<std::string>("糖", "骨", "京", "折", "本", "宮", "ソ", "表", "能", "〜", "ア", "ｶﾞ", "|", "^",
                                    "~", "\\", "&", "a", "Z", "0", " ", "\n", "A01", "\\F\\");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string out;
    for (const std::string& p : pieces) out += p;
    return out;
  });
}

// A value that ends in what an encoder leaves behind: never empty, so that no trailing part is ambiguous.
rc::Gen<Segments> segments() {
  const auto some = rc::gen::map(value(), [](std::string text) { return text.empty() || text == "\"\"" ? "x" : text; });
  const auto components = rc::gen::nonEmpty(rc::gen::container<Components>(some));
  const auto repetitions = rc::gen::nonEmpty(rc::gen::container<Repetitions>(components));
  const auto fields = rc::gen::nonEmpty(rc::gen::container<Fields>(repetitions));
  return rc::gen::resize(6, rc::gen::container<Segments>(fields));
}

std::string written(const Segments& all, const TextCoding& coding, std::string_view end) {
  const Delimiters& d = coding.delimiters;
  std::string out = "MSH" + std::string(1, d.field) + d.encoding_characters() + d.field + "a" + std::string(end);
  for (const Fields& fields : all) {
    out += "ZZ1";
    for (const Repetitions& repetitions : fields) {
      out += d.field;
      for (std::size_t r = 0; r < repetitions.size(); ++r) {
        if (r > 0) out += d.repetition;
        for (std::size_t c = 0; c < repetitions[r].size(); ++c) {
          if (c > 0) out += d.component;
          out += encode_text(repetitions[r][c], coding).value();
        }
      }
    }
    out += end;
  }
  return out;
}

void expect_same(const Fields& fields, const Segment& segment) {
  RC_ASSERT(segment.id() == "ZZ1");
  RC_ASSERT(segment.field_count() == fields.size());
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const std::vector<Repetition> repetitions = segment.field(f + 1).repetitions();
    RC_ASSERT(repetitions.size() == fields[f].size());
    for (std::size_t r = 0; r < repetitions.size(); ++r) {
      RC_ASSERT(repetitions[r].component_count() == fields[f][r].size());
      for (std::size_t c = 0; c < fields[f][r].size(); ++c) {
        RC_ASSERT(repetitions[r].component(c + 1).text() == fields[f][r][c]);
      }
    }
  }
}

RC_GTEST_PROP(MessageProperty, WhatIsPutInComesOutWhereItWasPut, ()) {
  const Segments all = *segments();
  const auto encoding = *rc::gen::element(Encoding::kIso2022Jp, Encoding::kShiftJis, Encoding::kEucJp, Encoding::kUtf8);
  const auto end = *rc::gen::element<std::string>("\r", "\n", "\r\n");
  const auto delimiters = *rc::gen::element(
      Delimiters{}, Delimiters{.field = '$', .component = '%', .repetition = '*', .escape = '!', .subcomponent = '@'},
      Delimiters{.truncation = '#'});
  const std::string bytes = written(all, {delimiters, encoding}, end);
  const Message message = Message::view(bytes, {.encoding = encoding, .undeclared_default = {}}).value();
  RC_ASSERT(message.segment_count() == all.size() + 1);
  for (std::size_t i = 0; i < all.size(); ++i) expect_same(all[i], message.segment_at(i + 1));
  RC_ASSERT(MessageEditor(message).build() == bytes);
}

// Any bytes behind a usable MSH: nothing crashes, and every byte is either in a segment or between them.
RC_GTEST_PROP(MessageProperty, AnyBytesBehindAnMshAreKept, ()) {
  const auto tail = *rc::gen::container<std::string>(
      rc::gen::element<char>('|', '^', '~', '\\', '&', '\r', '\n', '\x1B', '$', 'B', '(', 'J', '\x83', '\x5C', '\xE3',
                             '\x81', 'A', 'P', '1', '\x1C', '\0'));
  const std::string bytes = "MSH|^~\\&|a\r" + tail;
  const Message message = Message::view(bytes).value();
  RC_ASSERT(MessageEditor(message).build() == bytes);
  std::size_t last = 0;
  for (const Segment& segment : message.segments()) {
    const std::size_t begin = segment.location().offset;
    RC_ASSERT(begin >= last);
    last = begin + segment.raw().size();
    RC_ASSERT(last <= bytes.size());
  }
}

}  // namespace
}  // namespace minato::hl7
