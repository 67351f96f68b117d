/* A sound card whose other end is a UNIX stream socket: the reference line card.
 *
 *   pcm.NAME { type zongji  path "/dir/sound.sock" }
 *
 * After "DIRECTION CHANNELS RATE PERIOD BUFFER\n" from here, a capture socket
 * carries interleaved 16-bit frames to us and, back, one byte whenever the program
 * starts (1) or stops (0) listening; a playback socket carries them to the
 * card and, back, one 32-bit count for every piece the card has played (all ones:
 * the card had nothing to play and has stopped). The card's pace is the clock.
 * What the kernel has queued in the socket is what a real card has in its buffer.
 *
 * For tests of bad cards: "stuck 1" answers EPIPE to everything once running,
 * "only_period N" offers no other period.
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STOPPED UINT32_MAX

struct card {
    snd_pcm_ioplug_t io;
    int fd;
    long stuck;
    int greeted, running;
    size_t frame_bytes;
    uint64_t taken;   /* capture: frames handed to the program */
    uint64_t written; /* playback: frames sent to the card */
    uint64_t played;  /* playback: frames the card has played */
};

static int gone(struct card *card)
{
    snd_pcm_ioplug_set_state(&card->io, SND_PCM_STATE_DISCONNECTED);
    return -ENODEV;
}

static int hung_up(struct card *card)
{
    char byte;
    ssize_t got = recv(card->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static int forget_queued(struct card *card)
{
    char waste[4096];
    ssize_t got;
    while ((got = recv(card->fd, waste, sizeof waste, MSG_DONTWAIT)) > 0)
        ;
    return got == 0 ? -ENODEV : 0;
}

static snd_pcm_sframes_t captured(struct card *card)
{
    int queued = 0;
    if (ioctl(card->fd, SIOCINQ, &queued) < 0)
        return -errno;
    if (queued == 0 && hung_up(card))
        return -ENODEV;
    return queued / (int)card->frame_bytes;
}

static int count_played(struct card *card)
{
    uint32_t count;
    ssize_t got;
    while ((got = recv(card->fd, &count, sizeof count, MSG_DONTWAIT)) == sizeof count) {
        if (count == STOPPED)
            return -EPIPE;
        card->played += count;
    }
    return got == 0 ? -ENODEV : 0;
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    if (!card->running)
        return 0;
    if (card->stuck)
        return -EPIPE;
    if (io->stream == SND_PCM_STREAM_CAPTURE) {
        snd_pcm_sframes_t queued = captured(card);
        if (queued == -ENODEV)
            return gone(card);
        if (queued < 0)
            return queued;
        if ((snd_pcm_uframes_t)queued >= io->buffer_size)
            return -EPIPE;
        return (card->taken + queued) % io->buffer_size;
    }
    int error = count_played(card);
    if (error == -ENODEV)
        return gone(card);
    if (error < 0)
        return error;
    return card->played % io->buffer_size;
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    struct card *card = io->private_data;
    char *at = (char *)areas->addr + (areas->first + areas->step * offset) / 8;
    size_t bytes = size * card->frame_bytes;
    ssize_t moved;
    if (io->stream == SND_PCM_STREAM_CAPTURE)
        moved = recv(card->fd, at, bytes, MSG_DONTWAIT);
    else
        moved = send(card->fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (moved <= 0)
        return moved < 0 && errno == EAGAIN ? -EAGAIN : gone(card);
    if (moved % card->frame_bytes) /* the rest of a frame cannot be taken back */
        return gone(card);
    snd_pcm_sframes_t frames = moved / card->frame_bytes;
    if (io->stream == SND_PCM_STREAM_CAPTURE)
        card->taken += frames;
    else
        card->written += frames;
    return frames;
}

static int tell_listening(struct card *card, char listening)
{
    if (card->io.stream == SND_PCM_STREAM_CAPTURE && send(card->fd, &listening, 1, MSG_NOSIGNAL) != 1)
        return gone(card);
    return 0;
}

static int on_start(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    if (io->stream == SND_PCM_STREAM_CAPTURE && forget_queued(card))
        return gone(card);
    card->running = 1;
    return tell_listening(card, 1);
}

static int on_stop(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    card->running = 0;
    return tell_listening(card, 0);
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    card->taken = card->written = card->played = 0;
    card->running = 0;
    return forget_queued(card);
}

static int on_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
    struct card *card = io->private_data;
    char text[96];
    (void)params;
    if (card->greeted)
        return 0;
    card->frame_bytes = io->channels * sizeof(int16_t);
    int length = snprintf(text, sizeof text, "%s %u %u %lu %lu\n", snd_pcm_stream_name(io->stream),
                          io->channels, io->rate, io->period_size, io->buffer_size);
    if (send(card->fd, text, length, MSG_NOSIGNAL) != length)
        return -ENODEV;
    card->greeted = 1;
    return 0;
}

static int on_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count, unsigned short *events)
{
    struct card *card = io->private_data;
    snd_pcm_sframes_t queued;
    (void)count;
    *events = 0;
    if (fds->revents & (POLLERR | POLLHUP | POLLNVAL) || card->stuck)
        *events = POLLERR;
    else if (io->stream == SND_PCM_STREAM_PLAYBACK)
        *events = fds->revents & POLLIN ? POLLOUT : 0;
    else if ((queued = captured(card)) < 0)
        *events = POLLERR;
    else if ((snd_pcm_uframes_t)queued >= io->period_size)
        *events = POLLIN;
    return 0;
}

static int on_close(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    close(card->fd);
    free(card);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = on_start,
    .stop = on_stop,
    .pointer = on_pointer,
    .transfer = on_transfer,
    .prepare = on_prepare,
    .hw_params = on_hw_params,
    .poll_revents = on_poll_revents,
    .close = on_close,
};

static int offer(snd_pcm_ioplug_t *io, long only_period)
{
    static const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED};
    static const unsigned int format[] = {SND_PCM_FORMAT_S16_LE};
    int error;
    if ((error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 1, access)) < 0 ||
        (error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, format)) < 0 ||
        (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, 8000, 8000)) < 0 ||
        (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, 1, 64)) < 0 ||
        (error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 32)) < 0)
        return error;
    if (only_period) /* in bytes, for two channels */
        return snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, only_period * 4, only_period * 4);
    return snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 16, 64 * 2 * 1024);
}

static int plug_in(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int room = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno == ENOENT || errno == ECONNREFUSED ? ENODEV : errno;
        close(fd);
        return -error;
    }
    return fd;
}

SND_PCM_PLUGIN_DEFINE_FUNC(zongji)
{
    snd_config_iterator_t at, next;
    const char *path = NULL, *id;
    long stuck = 0, only_period = 0;
    (void)root;
    snd_config_for_each(at, next, conf) {
        snd_config_t *entry = snd_config_iterator_entry(at);
        int error = snd_config_get_id(entry, &id);
        if (error < 0 || !strcmp(id, "type") || !strcmp(id, "comment") || !strcmp(id, "hint"))
            continue;
        if (!strcmp(id, "path"))
            error = snd_config_get_string(entry, &path);
        else if (!strcmp(id, "stuck"))
            error = snd_config_get_integer(entry, &stuck);
        else if (!strcmp(id, "only_period"))
            error = snd_config_get_integer(entry, &only_period);
        else
            error = -EINVAL;
        if (error < 0) {
            SNDERR("field %s: %s", id, snd_strerror(error));
            return error;
        }
    }
    if (!path) {
        SNDERR("path is missing");
        return -EINVAL;
    }
    struct card *card = calloc(1, sizeof *card);
    if (!card)
        return -ENOMEM;
    card->stuck = stuck;
    int error = card->fd = plug_in(path);
    if (error < 0) {
        free(card);
        return error;
    }
    card->io.version = SND_PCM_IOPLUG_VERSION;
    card->io.name = "Zongji reference line card";
    card->io.callback = &callbacks;
    card->io.private_data = card;
    card->io.poll_fd = card->fd;
    card->io.poll_events = POLLIN;
    if ((error = snd_pcm_ioplug_create(&card->io, name, stream, mode)) < 0) {
        close(card->fd);
        free(card);
        return error;
    }
    if ((error = offer(&card->io, only_period)) < 0) {
        snd_pcm_ioplug_delete(&card->io);
        return error;
    }
    *pcmp = card->io.pcm;
    return 0;
}
SND_PCM_PLUGIN_SYMBOL(zongji);
