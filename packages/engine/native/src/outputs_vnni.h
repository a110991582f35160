// As multiply_vnni.h, with outputs as lanes: a vector holds four bytes of the weights of as many outputs as it has floats.
#pragma once

namespace BA_NS {
namespace {

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
  using At = Panel8<1>;
  vf sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      add ? load(c + (r * NV + v) * L) : splat(0.0f);
  for (int32_t g = 0; g < groups; g++) {
    const int64_t at = (int64_t)g * At::GROUP;
    for (int s = 0; s < KIND::SCALES; s++) {
      vi whole[MR][NV];
      BA_UNROLL for (int r = 0; r < MR; r++) {
        const vi start = KIND::SIGNED ? four_bytes(x[r] + at + At::SUM + s * 4) : splat(0);
        BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] = start;
      }
      BA_UNROLL for (int i = 0; i < 8 / KIND::SCALES; i++) {
        const int quad = s * 4 + i;
        vi z[NV];
        BA_UNROLL for (int v = 0; v < NV; v++) z[v] = load_ints((const char *)tile.w[v][g * 8 + quad]);
        BA_UNROLL for (int r = 0; r < MR; r++) {
          const vi y = four_bytes(x[r] + at + quad * At::QUAD);
          BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] = add_products(whole[r][v], z[v], y);
        }
      }
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const vf factor = load((s == 1 ? tile.minimum : tile.scale)[v][g]);
        BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
            fused(to_floats(whole[r][v]), one_float(x[r] + at + At::SCALE) * factor, sum[r][v]);
      }
    }
    if (!KIND::SIGNED) BA_UNROLL for (int v = 0; v < NV; v++) {
      const vf minimum = load(tile.minimum[v][g]);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] = fused(minimum, one_float(x[r] + at + At::SUM), sum[r][v]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) store(c + (r * NV + v) * L, sum[r][v]);
}

}  // namespace
}  // namespace BA_NS
