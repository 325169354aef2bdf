/*-------------------------------------------------------------------------
 *
 * clock.h
 *		Time that only goes forward, and notice of the other kind going back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_CLOCK_H
#define TRUUST_CLOCK_H

/* Since some moment in the past; no setting of the clock changes it. */
extern int64 truust_monotonic_us(void);
extern int64 truust_monotonic_ms(void);

/*
 * How often the wall clock was set back, one more for what may have been before
 * this process: never 0.  Who keeps times to wait for in rows looks at them again
 * when this is another than before.
 */
extern uint64 truust_clock_steps(void);

#endif /* TRUUST_CLOCK_H */
