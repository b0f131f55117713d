/* The calls of libvpx that a live VP8 encoder takes, behind plain types.
 *
 * It is C because the layout of libvpx's structures changes between its versions: a compiler that reads
 * the installed headers gets them right, bindings that were generated elsewhere may not. What is passed
 * in was checked by encoder.rs; what libvpx refuses comes back as its text. */

#if defined(__has_include)
#if !__has_include(<vpx/vp8cx.h>)
#error "libvpx's headers are missing; please install libvpx-dev, or build without the feature libvpx"
#endif
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

struct greenroom_vp8 {
    vpx_codec_ctx_t codec;
    vpx_codec_enc_cfg_t cfg;
};

/* Delays of the rate control in ms, and its overshoot in percent: those of browsers (libwebrtc). */
enum { BUFFER = 1000, INITIAL = 500, OPTIMAL = 600, UNDERSHOOT = 100, OVERSHOOT = 15 };

void greenroom_vp8_free(struct greenroom_vp8 *encoder) {
    if (encoder == NULL) return;
    vpx_codec_destroy(&encoder->codec);
    free(encoder);
}

/* Gives NULL and a reason when libvpx refuses. */
struct greenroom_vp8 *greenroom_vp8_new(uint32_t width, uint32_t height, uint32_t fps_num, uint32_t fps_den,
                                        uint32_t kbps, const char **reason) {
    struct greenroom_vp8 *encoder = calloc(1, sizeof *encoder);
    *reason = "out of memory";
    if (encoder == NULL) return NULL;

    vpx_codec_enc_cfg_t *cfg = &encoder->cfg;
    vpx_codec_err_t error = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), cfg, 0);
    if (error == VPX_CODEC_OK) {
        cfg->g_w = width;
        cfg->g_h = height;
        cfg->g_timebase.num = (int)fps_den;
        cfg->g_timebase.den = (int)fps_num;
        cfg->g_threads = 1;
        cfg->g_pass = VPX_RC_ONE_PASS;
        /* Each picture comes out at once ... */
        cfg->g_lag_in_frames = 0;
        cfg->g_error_resilient = 0;
        cfg->rc_end_usage = VPX_CBR;
        cfg->rc_target_bitrate = kbps;
        /* ... and does come out: neither skipped nor made smaller. */
        cfg->rc_dropframe_thresh = 0;
        cfg->rc_resize_allowed = 0;
        cfg->rc_min_quantizer = 2;
        cfg->rc_max_quantizer = 63;
        cfg->rc_undershoot_pct = UNDERSHOOT;
        cfg->rc_overshoot_pct = OVERSHOOT;
        cfg->rc_buf_sz = BUFFER;
        cfg->rc_buf_initial_sz = INITIAL;
        cfg->rc_buf_optimal_sz = OPTIMAL;
        /* Key frames come on request only. */
        cfg->kf_mode = VPX_KF_DISABLED;
        error = vpx_codec_enc_init(&encoder->codec, vpx_codec_vp8_cx(), cfg, 0);
    }
    if (error != VPX_CODEC_OK) {
        /* The detail lives in the codec that is about to go; this text is constant. */
        *reason = vpx_codec_err_to_string(error);
        free(encoder);
        return NULL;
    }

    /* A negative speed is fixed; a positive one follows the load of the machine and makes runs differ. */
    error = vpx_codec_control(&encoder->codec, VP8E_SET_CPUUSED, -8);
    if (error == VPX_CODEC_OK) error = vpx_codec_control(&encoder->codec, VP8E_SET_ENABLEAUTOALTREF, 0);
    if (error == VPX_CODEC_OK) error = vpx_codec_control(&encoder->codec, VP8E_SET_NOISE_SENSITIVITY, 0);
    if (error == VPX_CODEC_OK) {
        /* A key frame takes at most half the optimal buffer, in percent of a frame (libwebrtc). */
        unsigned int percent = (unsigned int)(OPTIMAL / 2 * (uint64_t)fps_num / fps_den / 10);
        error = vpx_codec_control(&encoder->codec, VP8E_SET_MAX_INTRA_BITRATE_PCT, percent < 300 ? 300 : percent);
    }
    if (error != VPX_CODEC_OK) {
        *reason = vpx_codec_err_to_string(error);
        greenroom_vp8_free(encoder);
        return NULL;
    }
    *reason = NULL;
    return encoder;
}

/* Gives NULL, or why libvpx refuses. */
const char *greenroom_vp8_set_bitrate(struct greenroom_vp8 *encoder, uint32_t kbps) {
    encoder->cfg.rc_target_bitrate = kbps;
    vpx_codec_err_t error = vpx_codec_enc_config_set(&encoder->codec, &encoder->cfg);
    return error == VPX_CODEC_OK ? NULL : vpx_codec_err_to_string(error);
}

/* Gives NULL, or why there is no frame. `data` belongs to the encoder and lasts until the next call. */
const char *greenroom_vp8_encode(struct greenroom_vp8 *encoder, const uint8_t *const planes[3],
                                 const int strides[3], int64_t pts, int force_key, const uint8_t **data,
                                 size_t *size, int *key) {
    vpx_image_t image;
    /* The wrapper wants one buffer with all planes; they are put in their places right after. libvpx only
     * reads them, although its structure has no const. */
    if (vpx_img_wrap(&image, VPX_IMG_FMT_I420, encoder->cfg.g_w, encoder->cfg.g_h, 1,
                     (unsigned char *)planes[0]) == NULL)
        return "the picture has no valid layout";
    for (int plane = 0; plane < 3; plane++) {
        image.planes[plane] = (unsigned char *)planes[plane];
        image.stride[plane] = strides[plane];
    }

    vpx_codec_err_t error = vpx_codec_encode(&encoder->codec, &image, pts, 1,
                                             force_key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
    if (error != VPX_CODEC_OK) return vpx_codec_err_to_string(error);

    vpx_codec_iter_t iterator = NULL;
    const vpx_codec_cx_pkt_t *packet;
    *data = NULL;
    while ((packet = vpx_codec_get_cx_data(&encoder->codec, &iterator)) != NULL) {
        if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
        if (*data != NULL) return "the encoder gave more than one frame for a picture";
        *data = packet->data.frame.buf;
        *size = packet->data.frame.sz;
        *key = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
    }
    return *data == NULL ? "the encoder skipped it" : NULL;
}
