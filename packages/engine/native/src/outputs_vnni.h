// Products of int8 rows with weights by VNNI: four bytes of a row meet those of the weights of as many outputs as a vector
// has floats in one instruction, whose weights are unsigned: signed ones are shifted, and what that adds is taken off by
// the packed sums. On 512 bits (AVX-512 VNNI) or 256 (AVX-VNNI).
#pragma once

namespace BA_NS {
namespace {

#if BA_LANES == 16
BA_INLINE vi load_ints(const char *p) { return (vi)_mm512_loadu_si512(p); }
BA_INLINE vi add_products(vi sum, vi weights, vi x) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, (__m512i)x);
}
BA_INLINE vf to_floats(vi x) { return (vf)_mm512_cvtepi32_ps((__m512i)x); }
BA_INLINE vf fused(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#else
BA_INLINE vi load_ints(const char *p) { return (vi)_mm256_loadu_si256((const __m256i *)p); }
BA_INLINE vi add_products(vi sum, vi weights, vi x) {
  return (vi)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)weights, (__m256i)x);
}
BA_INLINE vf to_floats(vi x) { return (vf)_mm256_cvtepi32_ps((__m256i)x); }
BA_INLINE vf fused(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#endif

BA_INLINE vi four_bytes(const char *p) {
  int32_t x;
  memcpy(&x, p, 4);
  return splat(x);
}
BA_INLINE vf one_float(const char *p) {
  float x;
  memcpy(&x, p, 4);
  return splat(x);
}

// c[MR][NV][L] (+)= `groups` groups of MR packed rows with NV vectors of outputs.
template <class KIND, int MR, int NV>
static void multiply_outputs(const OutTile &tile, const char *const *x, int32_t groups, float *c, bool add) {
  static_assert((int)L == (int)LANES8, "a vector holds a tile's outputs");
  vf sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      add ? load(c + (r * NV + v) * L) : splat(0.0f);
  for (int32_t g = 0; g < groups; g++) {
    const int64_t at = (int64_t)g * ROW_GROUP;
    for (int s = 0; s < KIND::SCALES; s++) {
      vi whole[MR][NV];
      BA_UNROLL for (int r = 0; r < MR; r++) {
        const vi start = KIND::SIGNED ? four_bytes(x[r] + at + ROW_SUM + s * 4) : splat(0);
        BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] = start;
      }
      BA_UNROLL for (int i = 0; i < 8 / KIND::SCALES; i++) {
        const int quad = s * 4 + i;
        vi z[NV];
        BA_UNROLL for (int v = 0; v < NV; v++) z[v] = load_ints((const char *)tile.w[v][g * 8 + quad]);
        BA_UNROLL for (int r = 0; r < MR; r++) {
          const vi y = four_bytes(x[r] + at + quad * 4);
          BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] = add_products(whole[r][v], z[v], y);
        }
      }
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const vf factor = load((s == 1 ? tile.minimum : tile.scale)[v][g]);
        BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
            fused(to_floats(whole[r][v]), one_float(x[r] + at + ROW_SCALE) * factor, sum[r][v]);
      }
    }
    if (!KIND::SIGNED) BA_UNROLL for (int v = 0; v < NV; v++) {
      const vf minimum = load(tile.minimum[v][g]);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] = fused(minimum, one_float(x[r] + at + ROW_SUM), sum[r][v]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) store(c + (r * NV + v) * L, sum[r][v]);
}

}  // namespace
}  // namespace BA_NS
