// Writing a new message.
//
//   MessageBuilder builder({.encoding = charset::Encoding::kIso2022Jp});
//   builder.segment("MSH").field(3, "HIS").components(9, {"ADT", "A01", "ADT_A01"}).field(10, id).field(11,
//   "P").field(12, "2.5"); builder.segment("PID").components(5, {"山本", "太郎", "", "", "", "", "L",
//   "I"}).repeat({"ヤマモト", "タロウ", …}); Result<std::string> bytes = builder.build();
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/charset/charset.h"
#include "format/hl7/delimiters.h"
#include "format/hl7/escape.h"

namespace minato::hl7 {

// Fields of a segment may be given in any order and are written in theirs. The first fault is kept and returned by
// build(). MSH-1 and MSH-2 are written from the delimiters; MSH-18 from the encoding unless it is given (MSH-20 for
// ISO-2022-JP too).
class MessageBuilder {
 public:
  struct Options {
    Delimiters delimiters;
    charset::Encoding encoding = charset::Encoding::kUtf8;
    std::string_view terminator = "\r";
  };
  MessageBuilder() : MessageBuilder(Options{}) {}
  explicit MessageBuilder(const Options& options);

  MessageBuilder& segment(std::string_view id);
  // One value: `utf8` is text, its delimiters are escaped.
  MessageBuilder& field(std::size_t number, std::string_view utf8);
  MessageBuilder& components(std::size_t number, std::initializer_list<std::string_view> utf8);
  // One more repetition of the field that was written last.
  MessageBuilder& repeat(std::initializer_list<std::string_view> utf8);
  // Bytes as they are, with structure.
  MessageBuilder& raw(std::size_t number, std::string_view bytes);

  // kRefused: text that the character set cannot carry, MSH-1 or MSH-2 given, no MSH first.
  Result<std::string> build();

 private:
  struct Row {
    std::string id;
    std::vector<std::string> fields;  // [0] unused
  };
  std::string* slot(std::size_t number);
  std::string joined(std::initializer_list<std::string_view> utf8);
  void refuse(std::string what);
  void write(const Row& row, std::string& out) const;

  TextCoding coding_;
  std::string terminator_;
  std::vector<Row> rows_;
  std::size_t last_field_ = 0;
  Status status_;
};

}  // namespace minato::hl7
