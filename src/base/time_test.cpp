#include "base/time.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

TEST(Time, Rfc3339GoesThereAndBack) {
  const Time time = from_micros(1764000367000008);
  EXPECT_EQ(to_rfc3339(time), "2025-11-24T16:06:07.000008Z");
  EXPECT_EQ(from_rfc3339(to_rfc3339(time)), time);
  EXPECT_EQ(from_rfc3339("2025-11-25T01:06:07.000008+09:00"), time);
}

TEST(Time, Rfc3339RefusesWhatIsNotAnInstant) {
  for (const char* bad : {"", "2025-11-24", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "2025-01-01T24:00:00Z",
                          "2025-01-01T00:00:00", "2025-01-01T00:00:00Zx", "2025-01-01T00:00:00.Z"}) {
    EXPECT_FALSE(from_rfc3339(bad)) << bad;
  }
}

TEST(Time, Hl7DtmIsReadAtEveryPrecision) {
  EXPECT_EQ(to_rfc3339(*from_hl7_dtm("2026", 0)), "2026-01-01T00:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(*from_hl7_dtm("20261124", 540)), "2026-11-23T15:00:00.000000Z");
  EXPECT_EQ(to_rfc3339(*from_hl7_dtm("202611241406", 0)), "2026-11-24T14:06:00.000000Z");
  EXPECT_EQ(to_rfc3339(*from_hl7_dtm("20261124140607.1234-0500", 540)), "2026-11-24T19:06:07.123400Z");
}

TEST(Time, Hl7DtmRefusesHalfNumbersAndNoise) {
  for (const char* bad : {"", "202", "20261", "2026112", "20261324", "20261124250000", "20261124x", "20261124140607.",
                          "20261124140607+09"}) {
    EXPECT_FALSE(from_hl7_dtm(bad, 0)) << bad;
  }
}

TEST(Time, Hl7DtmIsWrittenInLocalTime) {
  EXPECT_EQ(to_hl7_dtm(*from_rfc3339("2026-11-24T05:06:07.123Z"), 540), "20261124140607.123+0900");
  EXPECT_EQ(to_hl7_dtm(*from_rfc3339("2026-11-24T05:06:07.123Z"), -210), "20261124013607.123-0330");
}

}  // namespace
}  // namespace minato
