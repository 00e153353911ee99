#include "app/table.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

TEST(Table, ColumnsLineUpForKanjiToo) {
  Table table({"name", "x"});
  table.add({"山本", "1"});
  table.add({"abc", "2"});
  EXPECT_EQ(table.text(), "name  x\n山本  1\nabc   2\n");
}

TEST(Table, WidthCountsWhatATerminalShows) {
  EXPECT_EQ(display_width("ｱｲ"), 2u);
  EXPECT_EQ(display_width("アイ"), 4u);
  EXPECT_EQ(display_width("e\xCC\x81"), 1u);
}

}  // namespace
}  // namespace minato
