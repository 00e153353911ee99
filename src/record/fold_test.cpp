#include "record/fold.h"

namespace minato {
namespace {

TEST(Fold, WidthCaseBlanksAndPunctuationDoNotCount) {
  EXPECT_EQ(fold_name("Smith"), fold_name("SMITH"));
  EXPECT_EQ(fold_name("Ｓｍｉｔｈ"), fold_name("smith"));
  EXPECT_EQ(fold_name("O'Brien"), fold_name("OBRIEN"));
  EXPECT_EQ(fold_name("O’Brien"), fold_name("O'Brien"));
  EXPECT_EQ(fold_name("Anne-Marie"), fold_name("Anne Marie"));
  EXPECT_EQ(fold_name("山本　太郎"), fold_name("山本太郎"));
  EXPECT_EQ(fold_name("STRASSE"), fold_name("Straße"));
}

TEST(Fold, AccentsOfLatinLettersDoNotCountPrecomposedOrNot) {
  EXPECT_EQ(fold_name("José"), "jose");
  EXPECT_EQ(fold_name("Jose\xcc\x81"), "jose");
  EXPECT_EQ(fold_name("Sørensen"), "sorensen");
  EXPECT_EQ(fold_name("Łukasz"), "lukasz");
  EXPECT_EQ(fold_name("Ægir"), "aegir");
}

TEST(Fold, KanaFoldToFullWidthKatakanaAndKeepTheirMarks) {
  EXPECT_EQ(fold_name("ﾔﾏﾓﾄ"), "ヤマモト");
  EXPECT_EQ(fold_name("やまもと"), "ヤマモト");
  EXPECT_EQ(fold_name("ｶﾞ"), "ガ");
  EXPECT_EQ(fold_name("か\xe3\x82\x99"), "ガ");
  EXPECT_NE(fold_name("かがみ"), fold_name("かかみ"));
  EXPECT_NE(fold_name("ぱ"), fold_name("ば"));
  EXPECT_EQ(fold_name("サトー"), "サトー");
  EXPECT_NE(fold_name("サトー"), fold_name("サト"));
}

TEST(Fold, VariationSelectorsDoNotCountButOtherKanjiDo) {
  EXPECT_EQ(fold_name("葛\xf3\xa0\x84\x80"), fold_name("葛"));
  EXPECT_NE(fold_name("斉藤"), fold_name("斎藤"));
  EXPECT_EQ(fold_name("佐々木"), "佐々木");
}

TEST(Fold, BytesThatAreNoTextFoldToNothing) {
  EXPECT_EQ(fold_name("\xff\xfe"), "");
  EXPECT_EQ(fold_name(""), "");
  EXPECT_EQ(fold_name(" -'."), "");
}

}  // namespace
}  // namespace minato
